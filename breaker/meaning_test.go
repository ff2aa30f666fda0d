package breaker

import (
	"testing"
	"time"

	"github.com/holdfast-go/holdfast/internal/optiontest"
)

// T93: zero is the default, and negative is off, or what the field says.
func TestT93_EveryOptionMeansSomething(t *testing.T) {
	optiontest.Check(t, func(o Options) Options { return New(o).Options() }, optiontest.Meanings{
		"Keys":       {1024, 1024},
		"Ratio":      {0.7, -1},
		"Window":     {10 * time.Second, 10 * time.Second},
		"Samples":    {20, 1},
		"Row":        {5, -1},
		"LongRow":    {50, -1},
		"Slow":       {-1, -1},
		"SlowRatio":  {0.7, -1},
		"Open":       {200 * time.Millisecond, -1},
		"MaxOpen":    {time.Minute, 24 * time.Hour},
		"MaxAfter":   {5 * time.Minute, -1},
		"ProbeLimit": {10 * time.Second, -1},
	})
}
