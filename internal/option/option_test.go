package option

import (
	"math"
	"testing"
	"time"
)

func TestZeroIsTheDefaultAndNegativeIsOff(t *testing.T) {
	for v, want := range map[int]int{0: 5, -1: Off, math.MinInt: Off, 1: 1, math.MaxInt: math.MaxInt} {
		if got := Of(v, 5, Off); got != want {
			t.Errorf("Of(%d) is %d, want %d", v, got, want)
		}
	}
	for v, want := range map[float64]float64{0: 0.5, math.Copysign(0, -1): 0.5, -0.1: Off, math.Inf(-1): Off, 0.1: 0.1, math.Inf(1): math.Inf(1)} {
		if got := Of(v, 0.5, Off); got != want {
			t.Errorf("Of(%v) is %v, want %v", v, got, want)
		}
	}
	if got := Of(math.NaN(), 0.5, Off); got != 0.5 {
		t.Errorf("what is no number is %v, want the default", got)
	}
	for d, want := range map[time.Duration]time.Duration{0: time.Second, -1: Off, math.MinInt64: Off, 1: 1, Day: Day, Day + 1: Day, math.MaxInt64: Day} {
		if got := Span(d, time.Second, Off); got != want {
			t.Errorf("Span(%v) is %v, want %v", d, got, want)
		}
	}
	for v, want := range map[time.Duration]time.Duration{0: Off, Off: Off, 1: 1} {
		if got := OrOff(v); got != want {
			t.Errorf("OrOff(%v) is %v, want %v", v, got, want)
		}
	}
}
