package main

import (
	"context"
	"testing"
)

// Who observes sees each attempt: one that fails is repeated, and both are seen.
func TestObserversSee(t *testing.T) {
	for name, list := range observers() {
		for _, o := range list {
			r := &rig{answer: func(_ context.Context, n int64) error {
				if n == 1 {
					return errDown
				}
				return nil
			}}
			do, seen := o.make(r)
			calls(do, false)()
			want := map[string]float64{"holdfast": 2, "promhttp": 2, "otelhttp": 2, "floor": 1, "bare": 0}[o.who]
			if name == "nobody listens" {
				want = 0
			}
			if o.who == "floor" { // it watches whole calls
				want = 1
			}
			if got := seen(); got != want || r.calls.Load() != 2 {
				t.Errorf("%s, %s: saw %v of %d attempts", name, o.who, got, r.calls.Load())
			}
		}
	}
}
