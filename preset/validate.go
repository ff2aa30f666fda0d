package preset

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"time"
)

// Validate returns an error for each value that makes no sense, with the path of
// its field and what to do, or nil. Configurations from outside are validated
// where they come in: by Parse, NewStack and Update.
func (c Config) Validate() error {
	var wrong []error
	bad := func(format string, args ...any) { wrong = append(wrong, fmt.Errorf("preset: "+format, args...)) }
	walk(reflect.ValueOf(c), "", func(path string, v reflect.Value) {
		if v.Kind() == reflect.Float64 && (math.IsNaN(v.Float()) || math.IsInf(v.Float(), 0)) {
			bad("%s: %v is no number to count with: give a finite one", path, v.Float())
		}
		if v.Type() == durationType && v.Int() > int64(24*time.Hour) {
			bad("%s: %v is longer than a day: lower it, or switch it off with a negative value", path, time.Duration(v.Int()))
		}
	})
	for path, r := range map[string]float64{
		"breaker.failureRatio": c.Breaker.FailureRatio, "breaker.slowRatio": c.Breaker.SlowRatio, "hedge.quantile": c.Hedge.Quantile,
		"hedge.share": c.Hedge.Share, "budget.ratio": c.Budget.Ratio,
	} {
		if r > 1 {
			bad("%s: %v is more than all of them: give a part, up to 1", path, r)
		}
	}
	if c.Timeout.Limit > 0 && c.Attempt.Limit > c.Timeout.Limit {
		bad("attempt.limit: %v is longer than timeout.limit, %v: lower it or raise timeout.limit", c.Attempt.Limit, c.Timeout.Limit)
	}
	if c.Hedge.MaxHedges >= 0 && c.Hedge.Delay > 0 && c.Attempt.Limit > 0 && c.Hedge.Delay >= c.Attempt.Limit {
		bad("hedge.delay: %v is not below attempt.limit, %v: no hedge would be sent; lower it", c.Hedge.Delay, c.Attempt.Limit)
	}
	if c.Retry.MaxInterval > 0 && c.Retry.InitialInterval > c.Retry.MaxInterval {
		bad("retry.initialInterval: %v is longer than retry.maxInterval, %v: lower it or raise retry.maxInterval", c.Retry.InitialInterval, c.Retry.MaxInterval)
	}
	return errors.Join(wrong...)
}
