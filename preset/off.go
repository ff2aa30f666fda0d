package preset

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/holdfast-go/holdfast/timeout"
)

// noOff are the fields, by their names in JSON, for which "off" would not switch anything off: a
// negative value is the default, the largest or the least value there. Each has what to write.
var noOff = map[string]string{
	"window":              "leave it out for the default",
	"maxTargets":          "leave it out for the default",
	"maxKeys":             "leave it out for the default",
	"quantile":            "leave it out for the default",
	"minSamples":          "1 is the least",
	"burst":               "1 is the least",
	"factor":              "1 is the least",
	"share":               "0.05 is one call in twenty, and 1 every call",
	"maxInterval":         `write the longest interval, at most "24h"`,
	"maxOpenDuration":     `write the longest time, at most "24h"`,
	"overloadInterval":    "write an interval, such as that of initialInterval",
	"retry.maxRetryAfter": `write the longest wait that a server may ask for, at most "24h"`,
	"hedge.delay":         "write a duration, or leave it out: the delay is learnt then",
}

// offMeans returns what to write in the place of "off", for a field that cannot be switched off.
func offMeans(path string) (instead string, refused bool) {
	instead = noOff[path]
	if instead == "" {
		instead = noOff[path[strings.LastIndexByte(path, '.')+1:]]
	}
	return instead, instead != ""
}

// switchedOff reports whether a value is what stands for "off".
func switchedOff(v reflect.Value) bool {
	return v.CanInt() && v.Int() < 0 || v.CanFloat() && v.Float() < 0
}

// checkOff refuses a negative value that does not mean off.
func checkOff(v reflect.Value, path string) error {
	instead, refused := offMeans(path)
	if !refused || !switchedOff(v) {
		return nil
	}
	return fmt.Errorf(`%s: it cannot be "off", nor negative: %s`, path, instead)
}

// written returns c with values that can be written in the place of negative ones that do not
// mean off: those that are in force.
func (c Config) written() Config {
	force := map[string]reflect.Value{}
	walk(reflect.ValueOf(build(c, nil).effective()), "", func(path string, v reflect.Value) { force[path] = v })
	for _, t := range []**timeout.Adaptive{&c.Timeout.Adaptive, &c.Attempt.Adaptive} {
		if *t != nil {
			own := **t
			*t = &own // which is the caller's
		}
	}
	walk(reflect.ValueOf(&c).Elem(), "", func(path string, v reflect.Value) {
		if _, refused := offMeans(path); !refused || !switchedOff(v) {
			return
		}
		switch in := force[path]; {
		case in.IsValid() && !switchedOff(in):
			v.Set(in)
		case v.CanFloat():
			v.SetFloat(everyCall)
		default:
			v.SetInt(1) // a delay: the least
		}
	})
	return c
}

// everyCall is the largest share.
const everyCall = 1
