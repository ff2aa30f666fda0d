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
		"Decay":            {10 * time.Second, 10 * time.Second},
		"Eject.Row":        {5, -1},
		"Eject.Failures":   {0.85, -1},
		"Eject.Deviations": {1.9, -1},
		"Eject.Volume":     {50, 1},
		"Eject.Hosts":      {5, 1},
		"Eject.Interval":   {10 * time.Second, 10 * time.Second},
		"Eject.Base":       {30 * time.Second, -1},
		"Eject.Most":       {300 * time.Second, 24 * time.Hour},
		"Eject.Share":      {0.3, -1},
		"Panic":            {0.5, -1},
		"SlowStart":        {-1, -1},
		"Drain":            {-1, -1},
		"Await":            {-1, -1},
		"Check.Every":      {15 * time.Second, -1},
		"Check.Timeout":    {time.Second, time.Second},
		"Check.Ill":        {3, 1},
		"Check.Well":       {2, 1},
	})
	optiontest.Check(t, func(o PrequalOptions) PrequalOptions {
		o.Probe = func(context.Context, string) (Signal, error) { return Signal{}, nil }
		return o.filled()
	}, optiontest.Meanings{
		"Rate":    {3, -1},
		"Timeout": {3 * time.Millisecond, 3 * time.Millisecond},
		"Hot":     {0.6, -1},
	})
}
