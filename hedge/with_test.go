package hedge_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/hedge"
)

// Window and MaxTargets are changed live, and what is known of the times stays.
func TestWithChangesWindowAndTargets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		took := 10 * time.Millisecond
		call := func(h *hedge.Hedge, target string) {
			_, err := holdfast.Do(t.Context(), holdfast.Chain(h), holdfast.Call{Target: target, Repeatable: true}, func(context.Context) (int, error) {
				time.Sleep(took)
				return 1, nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		h := hedge.New(hedge.Options{MinSamples: 10})
		for range 20 {
			call(h, "t")
		}
		o := hedge.Options{MinSamples: 10, Window: 10 * time.Minute, MaxTargets: 7}
		with := h.With(o)
		if got := with.Options(); got.Window != o.Window || got.MaxTargets != 7 {
			t.Errorf("in force: %+v", got)
		}
		known := func(target string) bool { return with.Stats(target).Delay > 0 }
		if !known("t") {
			t.Error("the times of t are forgotten")
		}
		time.Sleep(4 * time.Minute)
		if !known("t") {
			t.Error("the times of t are forgotten within the window")
		}
		for range 20 {
			call(with, "new")
		}
		time.Sleep(4 * time.Minute)
		if !known("new") {
			t.Error("a target that is new has the window from before")
		}
		for i := range 20 {
			call(with, fmt.Sprint(i))
		}
		n := 0
		for i := range 20 {
			if with.Stats(fmt.Sprint(i)).Calls > 0 {
				n++
			}
		}
		if n > 7 {
			t.Errorf("%d targets are kept", n)
		}
		time.Sleep(10 * time.Minute)
		if known("t") || known("new") {
			t.Error("what is too old is known")
		}
	})
}

// One that sends no hedges is none, for the order of policies and for the limits further in.
func TestAHedgeThatIsOffIsNone(t *testing.T) {
	for _, c := range []struct {
		h    *hedge.Hedge
		want bool
	}{{nil, false}, {new(hedge.Hedge), false}, {hedge.New(hedge.Options{MaxHedges: -1}), false}, {hedge.New(hedge.Options{}), true}} {
		if got := c.h.Traits(); got.Hedges != c.want || got.Attempts() != c.want {
			t.Errorf("%+v, want hedges: %v", got, c.want)
		}
	}
}
