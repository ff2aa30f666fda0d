package preset

import (
	"fmt"
	"math"
	"reflect"
	"strings"
	"time"

	"github.com/holdfast-go/holdfast/internal/input"
)

// Validate returns an error for each value that makes no sense, with the path of
// its field and what to do, the first ten of them, or nil. Configurations from outside are validated
// where they come in: by Parse, NewStack and Update.
func (c Config) Validate() error {
	var wrong input.Errors
	bad := func(format string, args ...any) { wrong.Add(fmt.Errorf("preset: "+format, args...)) }
	walk(reflect.ValueOf(c), "", func(path string, v reflect.Value) {
		if v.Type() == jitterType && v.Uint() >= uint64(len(jitters)) {
			bad("%s: %d is no jitter: use one of the constants of package retry", path, v.Uint())
		}
		if v.Kind() == reflect.Slice && v.Len() > maxCodes {
			bad("%s: they are more than %d: leave those out that are failures anyhow", path, maxCodes)
		} else if v.Kind() == reflect.Slice {
			for i := range v.Len() {
				if code := v.Index(i).String(); input.Show(code) != code || strings.ContainsAny(code, ", ") {
					bad("%s[%d]: %s is no code: write one, such as 503 or UNAVAILABLE", path, i, input.Show(code))
				}
			}
		}
		if ratios[path[strings.LastIndexByte(path, '.')+1:]] && v.Float() > 1 {
			bad("%s: %v is more than all of them: give a part, up to 1", path, v.Float())
		}
		if v.Kind() == reflect.Float64 && (math.IsNaN(v.Float()) || math.IsInf(v.Float(), 0)) {
			bad("%s: %v is no number to count with: give a finite one", path, v.Float())
		}
		if v.Type() == durationType && v.Int() > int64(24*time.Hour) {
			bad("%s: %v is longer than a day: lower it, or switch it off with a negative value", path, time.Duration(v.Int()))
		}
	})
	in := build(c.alone(), nil).effective() // what is not set has its default
	if whole, each := in.Timeout.Limit, in.Attempt.Limit; whole > 0 && each > whole && c.setsAttempt() {
		bad("attempt.limit: %v is longer than timeout.limit, %v: lower it or raise timeout.limit", each, whole)
	}
	if delay, each := in.Hedge.Delay, in.Attempt.Limit; in.Hedge.MaxHedges > 0 && each > 0 && delay >= each {
		bad("hedge.delay: %v is not below attempt.limit, %v: no hedge would be sent; lower it", delay, each)
	}
	if first, longest := c.Retry.InitialInterval, in.Retry.MaxInterval; first > longest {
		bad("retry.initialInterval: %v is longer than retry.maxInterval, %v: lower it or raise retry.maxInterval", first, longest)
	}
	c.checkRoutes(bad)
	return wrong.Err()
}

// setsAttempt reports whether somebody has set the limit of attempts to another one. That of the
// preset, and the default, give way to a shorter limit of the call.
func (c Config) setsAttempt() bool {
	preset := presets[c.base]
	return c.Attempt.Limit != 0 && (preset == nil || preset().Attempt.Limit != c.Attempt.Limit)
}

// maxCodes bounds a list of codes, of which each route without one of its own has a copy.
const maxCodes = 250

// ratios are the fields, by their names in JSON, that are a part of something.
var ratios = map[string]bool{"failureRatio": true, "slowRatio": true, "quantile": true, "share": true, "ratio": true}
