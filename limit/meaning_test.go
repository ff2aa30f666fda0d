package limit

import (
	"testing"
	"time"

	"github.com/holdfast-go/holdfast/internal/optiontest"
)

// T93: zero is the default, and negative is off, or what the field says.
func TestT93_EveryOptionMeansSomething(t *testing.T) {
	optiontest.Check(t, func(o InFlightOptions) InFlightOptions { return NewInFlight(o).Options() }, optiontest.Meanings{
		"Max":        {1000, -1},
		"Wait":       {-1, -1},
		"Queue":      {1000, -1},
		"MaxTargets": {1024, 1024},
	})
	optiontest.Check(t, func(o RateOptions) RateOptions { return NewRate(o).Options() }, optiontest.Meanings{
		"PerSecond":  {-1, -1},
		"Burst":      {1, 1},
		"Wait":       {-1, -1},
		"Queue":      {0, -1},
		"MaxTargets": {1024, 1024},
	})
	for o, want := range map[RateOptions][2]int{ // burst and queue, where there is a rate
		{PerSecond: 100}:                                       {10, 0},
		{PerSecond: 100, Wait: time.Second}:                    {10, 100},
		{PerSecond: 100, Wait: time.Second, Burst: -1}:         {1, 100},
		{PerSecond: 100, Wait: time.Second, Queue: -1}:         {10, -1},
		{PerSecond: 1, Wait: -1, Queue: 7}:                     {1, 7},
		{PerSecond: -1, Wait: time.Second, Burst: 3, Queue: 0}: {3, 0},
	} {
		if got := NewRate(o).Options(); got.Burst != want[0] || got.Queue != want[1] {
			t.Errorf("%+v: %+v in force, want a burst and a queue of %v", o, got, want)
		}
	}
}
