package hedge_test

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/hedge"
)

// contextOf makes one call, hedged when the first attempt waits for its hedge, and
// returns the context of the first.
func contextOf(t *testing.T, parent context.Context, look func(ctx context.Context), hedged bool) (first context.Context) {
	t.Helper()
	_, _ = holdfast.Do(parent, holdfast.Chain(fixed(hedge.Options{})), get, func(ctx context.Context) (int, error) {
		if holdfast.CallFrom(ctx).Hedge {
			return 1, nil
		}
		first = ctx
		if look != nil {
			look(ctx)
		}
		if hedged {
			for ctx.Err() == nil {
				time.Sleep(time.Millisecond)
			}
			return 0, context.Cause(ctx)
		}
		return 1, nil
	})
	return first
}

func TestT65_AnAttemptsContextIsAsOneOfTheLibrary(t *testing.T) {
	type key struct{}
	looks := map[string]func(context.Context){
		"nobody waits":     nil,
		"somebody waits":   func(ctx context.Context) { ctx.Done() },
		"one derived":      func(ctx context.Context) { _, cancel := context.WithCancel(ctx); cancel() },
		"a value is asked": func(ctx context.Context) { ctx.Value(key{}) },
	}
	for name, look := range looks {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				parent := context.WithValue(t.Context(), key{}, "v")
				won := contextOf(t, parent, look, false)
				if won.Value(key{}) != "v" || won.Err() != context.Canceled || context.Cause(won) != context.Canceled {
					t.Errorf("after the call: %v, cause %v", won.Err(), context.Cause(won))
				}
				<-won.Done()
				lost := contextOf(t, parent, look, true)
				if lost.Err() != context.Canceled || !errors.Is(context.Cause(lost), holdfast.ErrSuperseded) {
					t.Errorf("a loser: %v, cause %v", lost.Err(), context.Cause(lost))
				}
				<-lost.Done()
				// What is derived after the end is over, with the cause.
				after, cancel := context.WithCancel(lost)
				defer cancel()
				if after.Err() == nil || !errors.Is(context.Cause(after), holdfast.ErrSuperseded) {
					t.Errorf("derived from a loser: %v, cause %v", after.Err(), context.Cause(after))
				}
			})
		})
	}
}

func TestAnAttemptEndsWithItsCaller(t *testing.T) {
	for _, waits := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			why := errors.New("gone home")
			parent, leave := context.WithCancelCause(t.Context())
			contextOf(t, parent, func(ctx context.Context) {
				if waits {
					ctx.Done()
				}
				leave(why)
				if ctx.Err() != context.Canceled || context.Cause(ctx) != why {
					t.Errorf("waited for %v: %v, cause %v", waits, ctx.Err(), context.Cause(ctx))
				}
			}, false)
		})
	}
}

func TestT65_DerivingFromAnAttemptStartsNoGoroutine(t *testing.T) {
	before := runtime.NumGoroutine()
	contextOf(t, t.Context(), func(ctx context.Context) {
		_, cancel := context.WithTimeout(ctx, time.Hour)
		defer cancel()
		if n := runtime.NumGoroutine(); n > before {
			t.Errorf("%d goroutines, %d before", n, before)
		}
	}, false)
}

// T61: what chooses the endpoints, further in, can tell which ones the call has
// been sent to.
func TestT61_AHedgeGoesElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		endpoints := []string{"a", "b", "c"}
		balance := holdfast.PolicyFunc(func(next holdfast.Handler) holdfast.Handler {
			return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
				i := slices.IndexFunc(endpoints, func(e string) bool { return !call.Tried(e) })
				call.SendTo(endpoints[max(i, 0)])
				return next(ctx, call)
			}
		})
		var mu sync.Mutex
		var sent []string
		_, err := holdfast.Do(t.Context(), holdfast.Chain(fixed(hedge.Options{MaxHedges: 2}), balance), get, func(ctx context.Context) (int, error) {
			call := holdfast.CallFrom(ctx)
			mu.Lock()
			sent = append(sent, call.Endpoint)
			mu.Unlock()
			if call.Attempt == 3 {
				return 0, nil
			}
			<-ctx.Done()
			return 0, context.Cause(ctx)
		})
		if err != nil || !slices.Equal(sent, endpoints) {
			t.Errorf("sent to %v, %v; want each endpoint once", sent, err)
		}
	})
}

// Of ten calls one is slow, and each is beaten by its hedge. Left out of the times,
// or in with the time after which it was cut off, it would vanish from them, and
// the delay with it.
func TestT64_ABeatenFirstAttemptStaysSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hedge.New(hedge.Options{Share: -1})
		chain := holdfast.Chain(h)
		for i := range 4000 {
			takes := 10 * time.Millisecond
			if i%10 == 0 {
				takes = time.Second
			}
			do(t, get, chain, attempt{takes, nil}, attempt{10 * time.Millisecond, nil})
		}
		if s := h.Stats("t"); s.Hedges > 4000*6/100 {
			t.Errorf("%d of 4000 were hedged, want 5 %% of them and little more; the delay is %v", s.Hedges, s.Delay)
		}
	})
}
