package hedge

import (
	"testing"
	"time"

	"github.com/holdfast-go/holdfast/internal/optiontest"
)

// T93: zero is the default, and negative is off, or what the field says.
func TestT93_EveryOptionMeansSomething(t *testing.T) {
	optiontest.Check(t, func(o Options) Options { return New(o).Options() }, optiontest.Meanings{
		"MaxHedges":  {1, -1},
		"Delay":      {0, time.Millisecond}, // MinDelay
		"Quantile":   {0.95, 0.95},
		"MinSamples": {100, 1},
		"Window":     {time.Minute, time.Minute},
		"MinDelay":   {time.Millisecond, -1},
		"Share":      {0.05, -1},
		"MinAttempt": {5 * time.Millisecond, -1},
		"MaxTargets": {1024, 1024},
	})
}
