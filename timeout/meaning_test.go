package timeout

import (
	"testing"
	"time"

	"github.com/holdfast-go/holdfast/internal/optiontest"
)

// T93: zero is the default, and negative is off, or what the field says.
func TestT93_EveryOptionMeansSomething(t *testing.T) {
	optiontest.Check(t, func(o Options) Options { return New(o).Options() }, optiontest.Meanings{
		"Limit":               {10 * time.Second, -1},
		"Idle":                {0, -1}, // 0: by its place
		"MinAttempt":          {time.Millisecond, -1},
		"Adaptive.Quantile":   {0.99, 0.99},
		"Adaptive.Factor":     {1.5, 1},
		"Adaptive.Min":        {10 * time.Millisecond, -1},
		"Adaptive.MinSamples": {100, 1},
		"Adaptive.Window":     {time.Minute, time.Minute},
	})
}
