package loadbalance

import (
	"context"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast/internal/optiontest"
)

// T93: zero is the default, and negative is off, or what the field says.
func TestT93_EveryOptionMeansSomething(t *testing.T) {
	optiontest.Check(t, Options.filled, optiontest.Meanings{
		"Decay":                     {10 * time.Second, 10 * time.Second},
		"Eject.ConsecutiveFailures": {5, -1},
		"Eject.FailureRatio":        {0.85, -1},
		"Eject.Deviations":          {1.9, -1},
		"Eject.MinSamples":          {50, 1},
		"Eject.MinHosts":            {5, 1},
		"Eject.Interval":            {10 * time.Second, 10 * time.Second},
		"Eject.BaseDuration":        {30 * time.Second, -1},
		"Eject.MaxDuration":         {300 * time.Second, 24 * time.Hour},
		"Eject.MaxShare":            {0.3, -1},
		"PanicThreshold":            {0.5, -1},
		"SlowStart":                 {-1, -1},
		"Drain":                     {-1, -1},
		"Await":                     {-1, -1},
		"Check.Interval":            {15 * time.Second, -1},
		"Check.Timeout":             {time.Second, time.Second},
		"Check.UnhealthyThreshold":  {3, 1},
		"Check.HealthyThreshold":    {2, 1},
	})
	optiontest.Check(t, func(o PrequalOptions) PrequalOptions {
		o.Probe = func(context.Context, string) (Signal, error) { return Signal{}, nil }
		return o.filled()
	}, optiontest.Meanings{
		"Rate":        {3, -1},
		"Timeout":     {3 * time.Millisecond, 3 * time.Millisecond},
		"HotQuantile": {0.6, -1},
	})
}
