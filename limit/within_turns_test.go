package limit_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/limit"
)

// Calls within a call get its place in the order in which they came, whoever else comes in between;
// none loses its turn in the queue.
func TestCallsWithinACallAreServedInTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const calls = 60
		l := limit.NewInFlight(limit.InFlightOptions{Max: 1, Wait: time.Hour, Queue: calls})
		h := holdfast.Chain(l)
		call := holdfast.Call{Target: "a"}
		var mu sync.Mutex
		var order []int
		one := func(ctx context.Context, i int) {
			if _, err := holdfast.Do(ctx, h, call, func(context.Context) (int, error) {
				mu.Lock()
				order = append(order, i)
				mu.Unlock()
				time.Sleep(time.Second)
				return 0, nil
			}); err != nil {
				t.Errorf("%d: %v", i, err)
			}
		}
		start := time.Now()
		var foreign sync.WaitGroup
		_, _ = holdfast.Do(t.Context(), h, call, func(ctx context.Context) (int, error) {
			var wg sync.WaitGroup
			for i := range calls {
				if i == 3 {
					foreign.Go(func() { one(t.Context(), calls) })
					time.Sleep(time.Millisecond)
				}
				wg.Go(func() { one(ctx, i) })
				time.Sleep(time.Millisecond)
			}
			wg.Wait()
			return 0, nil
		})
		foreign.Wait()
		if !slices.IsSorted(order) || len(order) != calls+1 || time.Since(start) != (calls+1)*time.Second {
			t.Errorf("%v in %v", order, time.Since(start))
		}
	})
}

// A call within a call does not wait for itself where PerTarget changes, so that it comes to wait for
// what the outer one has.
func TestACallWithinACallThatMovesSharesThePlaceThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := limit.InFlightOptions{Max: 1, Wait: time.Hour}
		l := limit.NewInFlight(o)
		h := holdfast.Chain(l)
		start := time.Now()
		_, err := holdfast.Do(t.Context(), h, holdfast.Call{Target: "outer"}, func(ctx context.Context) (int, error) {
			o.PerTarget = true
			l.With(o)
			defer enter(t, l, "inner")()
			time.AfterFunc(time.Second, func() {
				o.PerTarget = false
				l.With(o)
			})
			return holdfast.Do(ctx, h, holdfast.Call{Target: "inner"}, func(context.Context) (int, error) { return 0, nil })
		})
		if took := time.Since(start); err != nil || took != time.Second {
			t.Errorf("%v after %v", err, took)
		}
		for name, value := range told(l) {
			if name != "limit_max " && value != 0 {
				t.Errorf("%s: %v", name, value)
			}
		}
	})
}

// Nor where its target has found no room of its own after all.
func TestALateCallWithinACallDoesNotWaitForItself(t *testing.T) {
	l := limit.NewInFlight(limit.InFlightOptions{Max: 1, Wait: 2 * time.Second, PerTarget: true, MaxTargets: 1})
	h := holdfast.Chain(l)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		for ctx.Err() == nil {
			if leave, err := l.Acquire(t.Context(), "a"); err == nil {
				leave()
			}
		}
	})
	for range 5_000 {
		_, err := holdfast.Do(t.Context(), h, holdfast.Call{Target: "outer"}, func(ctx context.Context) (int, error) {
			return holdfast.Do(ctx, h, holdfast.Call{Target: "inner"}, func(context.Context) (int, error) { return 0, nil })
		})
		if err != nil {
			t.Error(err)
			break
		}
	}
	cancel()
	wg.Wait()
}
