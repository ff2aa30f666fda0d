package limit_test

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/limit"
	"github.com/holdfast-go/holdfast/timeout"
)

func TestT84_APlaceComesBack(t *testing.T) {
	for name, end := range map[string]func(context.Context){
		"panic": func(context.Context) { panic("boom") }, "goexit": func(context.Context) { runtime.Goexit() },
		"cancel": func(ctx context.Context) { <-ctx.Done() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := limit.NewInFlight(limit.InFlightOptions{Max: 2})
				h := l.Wrap(func(ctx context.Context, _ *holdfast.Call) holdfast.Result {
					end(ctx)
					return holdfast.Result{Err: ctx.Err()}
				})
				for range 10 {
					var wg sync.WaitGroup
					wg.Go(func() {
						defer func() { _ = recover() }()
						ctx, cancel := context.WithTimeout(t.Context(), time.Second)
						defer cancel()
						h(ctx, &holdfast.Call{Record: new(holdfast.Record)})
					})
					wg.Wait()
				}
				if s := l.Stats("t"); s.InFlight != 0 || s.Rejected != 0 {
					t.Errorf("%+v", s)
				}
			})
		})
	}
}

func TestT85_AWaitThatIsTooLongIsNotBegun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := limit.NewRate(limit.RateOptions{PerSecond: 1, Burst: 1, Wait: 10 * time.Second, Queue: 5})
		if err := l.Acquire(t.Context(), ""); err != nil {
			t.Fatal(err)
		}
		short, cancel := context.WithTimeout(t.Context(), time.Second/2)
		defer cancel()
		start := time.Now()
		if err := l.Acquire(short, ""); !errors.Is(err, limit.ErrLimited) || time.Since(start) != 0 {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		gone, leave := context.WithCancel(t.Context())
		time.AfterFunc(time.Second/4, leave)
		if err := l.Acquire(gone, ""); !errors.Is(err, context.Canceled) || time.Since(start) != time.Second/4 {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		if err := l.Acquire(t.Context(), ""); err != nil || time.Since(start) != time.Second {
			t.Errorf("%v after %v: the reservation did not come back", err, time.Since(start))
		}
	})
}

func TestT91_HealthyLoadIsNotRejected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := limit.NewInFlight(limit.InFlightOptions{})
		var wg sync.WaitGroup
		for range 1000 {
			wg.Go(func() {
				release, err := l.Acquire(t.Context(), "")
				if err != nil {
					t.Error(err)
				}
				time.Sleep(time.Second)
				release()
			})
		}
		wg.Wait()
	})
}

func TestR15_AQueueIsBoundedAndInTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := limit.NewInFlight(limit.InFlightOptions{Max: 1, Wait: time.Second, Queue: 2})
		first, err := l.Acquire(t.Context(), "")
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		var order []int
		for i := range 2 {
			wg.Go(func() {
				release, err := l.Acquire(t.Context(), "")
				if err != nil {
					t.Error(err)
				}
				order = append(order, i)
				release()
			})
			synctest.Wait()
		}
		if _, err := l.Acquire(t.Context(), ""); !errors.Is(err, limit.ErrLimited) {
			t.Errorf("a third waits: %v", err)
		}
		time.Sleep(time.Second / 2)
		first()
		wg.Wait()
		if len(order) != 2 || order[0] != 0 {
			t.Errorf("let in: %v", order)
		}
		again, _ := l.Acquire(t.Context(), "")
		start := time.Now()
		if _, err := l.Acquire(t.Context(), ""); !errors.Is(err, limit.ErrLimited) || time.Since(start) != time.Second {
			t.Errorf("%v after %v, want a rejection after 1s", err, time.Since(start))
		}
		// Waiting counts against the limit of the call.
		h := holdfast.Chain(timeout.New(timeout.Options{Limit: time.Second / 4}), l)
		start = time.Now()
		_, err = holdfast.Do(t.Context(), h, holdfast.Call{Target: "t"}, func(context.Context) (int, error) { return 0, nil })
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second/4 {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		again()
	})
}

// A place that is handed to a call that leaves at that very moment goes to the
// next in turn.
func TestT84_APlaceHandedToOneWhoLeavesIsNotLost(t *testing.T) {
	l := limit.NewInFlight(limit.InFlightOptions{Max: 1, Wait: time.Hour, Queue: 2})
	for range 200 {
		synctest.Test(t, func(t *testing.T) {
			release, err := l.Acquire(t.Context(), "")
			if err != nil {
				t.Fatal(err)
			}
			ctx, leave := context.WithCancel(t.Context())
			var wg sync.WaitGroup
			for i, ctx := range []context.Context{ctx, t.Context()} {
				wg.Go(func() {
					mine, err := l.Acquire(ctx, "")
					if i == 1 && err != nil {
						t.Error(err)
					}
					if err == nil {
						mine()
					}
				})
				synctest.Wait() // they queue up in this order
			}
			leave()
			release()
			wg.Wait()
			if s := l.Stats(""); s.InFlight != 0 || s.Waiting != 0 {
				t.Fatalf("%+v are left", s)
			}
		})
	}
}
