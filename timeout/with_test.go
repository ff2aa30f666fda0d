package timeout_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/timeout"
)

// The Window of an adaptive limit is changed live, and what is known of the times stays.
func TestWithChangesTheWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		call := func(p *timeout.Timeout, target string) {
			for range 20 {
				_, err := holdfast.Do(t.Context(), holdfast.Chain(p), holdfast.Call{Target: target}, func(context.Context) (int, error) {
					time.Sleep(10 * time.Millisecond)
					return 1, nil
				})
				if err != nil {
					t.Fatal(err)
				}
			}
		}
		p := timeout.New(timeout.Options{Adaptive: &timeout.Adaptive{MinSamples: 10}})
		call(p, "t")
		with := p.With(timeout.Options{Adaptive: &timeout.Adaptive{MinSamples: 10, Window: 10 * time.Minute}})
		if got := with.Options().Adaptive.Window; got != 10*time.Minute {
			t.Errorf("in force is %v", got)
		}
		call(with, "new")
		time.Sleep(4 * time.Minute)
		for _, target := range []string{"t", "new"} {
			if got := with.Limit(target); got > 20*time.Millisecond {
				t.Errorf("%s: the limit is %v within the window", target, got)
			}
		}
		time.Sleep(10 * time.Minute)
		if got := with.Limit("t"); got != 10*time.Second {
			t.Errorf("the limit is %v after the window", got)
		}
	})
}

// A limit that is off is none.
func TestTraitsTellTheLimit(t *testing.T) {
	for _, c := range []struct {
		p    *timeout.Timeout
		want time.Duration
	}{{nil, 0}, {new(timeout.Timeout), 0}, {timeout.New(timeout.Options{Limit: -1}), 0}, {timeout.New(timeout.Options{}), 10 * time.Second}} {
		if got := c.p.Traits().Limit; got != c.want {
			t.Errorf("%v, want %v", got, c.want)
		}
	}
}
