package preset

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
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
	if _, in, is := strings.Cut(path, "]."); is {
		path = in // of a route
	}
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
// mean off: those that are in force. Where that would be read as something else it is an error.
func (c Config) written() (Config, error) {
	c = c.copied()
	meant := build(c.alone(), nil).effective()
	force := map[string]reflect.Value{}
	walk(reflect.ValueOf(meant), "", func(path string, v reflect.Value) { force[path] = v })
	walk(reflect.ValueOf(&c).Elem(), "", func(path string, v reflect.Value) {
		if _, refused := offMeans(path); !refused || !switchedOff(v) {
			return
		}
		if in := force[path]; in.IsValid() && !switchedOff(in) {
			v.Set(in)
		} else {
			v.SetZero()
		}
	})
	var wrong []error
	is := texts(build(c.alone(), nil).effective())
	walk(reflect.ValueOf(meant), "", func(path string, v reflect.Value) {
		if show(v) != is[path] {
			instead, _ := offMeans(path)
			wrong = append(wrong, fmt.Errorf("preset: %s: a negative value has no JSON here: %s", path, instead))
		}
	})
	return c, errors.Join(wrong...)
}
