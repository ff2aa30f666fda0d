package limit_test

import (
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast/limit"
)

// A target that moves to a bucket of its own has as many tokens there as in the shared one, and no
// Burst once more.
func TestARateHoldsWhenATargetMoves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := limit.RateOptions{PerSecond: 1, Burst: 10, PerTarget: true, MaxTargets: 1}
		l := limit.NewRate(o)
		take := func(target string, n int) (got int) {
			for range n {
				if l.Acquire(t.Context(), target) == nil {
					got++
				}
			}
			return got
		}
		if take("early", 1) != 1 || take("late", 7) != 7 {
			t.Fatal("no tokens")
		}
		time.Sleep(2500 * ms) // the early one is full again, 5.5 are left for the late one
		if got := take("late", 100); got != 5 {
			t.Errorf("%d tokens, want the 5 that are left", got)
		}
		time.Sleep(2500 * ms)
		if got := told(l)["rate_tokens late"]; got != 3 {
			t.Errorf("%v tokens, want 3: it has half a one, and two and a half since", told(l))
		}
		if got := take("late", 100); got != 3 {
			t.Errorf("%d tokens, want 3", got)
		}
	})
}

// Who waits for a token of the shared bucket goes on in its own when MaxTargets is raised.
func TestRateWaitersOfLateTargetsMoveWhenThereIsRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := limit.RateOptions{PerSecond: 1, Burst: 1, Wait: 10 * time.Second, PerTarget: true, MaxTargets: 1}
		l := limit.NewRate(o)
		_ = l.Acquire(t.Context(), "early")
		_ = l.Acquire(t.Context(), "late")
		start := time.Now()
		var wg sync.WaitGroup
		for i := range 5 {
			wg.Go(func() {
				err := l.Acquire(t.Context(), fmt.Sprint("late", i))
				if took := time.Since(start); err != nil || took != 1000*ms {
					t.Errorf("%d: %v after %v; it need not wait for the others, nor for longer than the first of them", i, err, took)
				}
			})
			synctest.Wait()
		}
		time.Sleep(500 * ms)
		o.MaxTargets = 10
		l.With(o)
		wg.Wait()
		if got := told(l)["rate_waiting other"]; got != 0 {
			t.Errorf("%v wait still", got)
		}
	})
}
