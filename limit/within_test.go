package limit_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/limit"
)

// A call within a call shares the place of that one in the same limit: it neither waits for itself,
// nor takes the place of somebody else.
func TestACallWithinACallSharesItsPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := limit.NewInFlight(limit.InFlightOptions{Max: 1, Wait: time.Minute, Queue: 10, PerTarget: true})
		h := holdfast.Chain(l)
		start := time.Now()
		_, err := holdfast.Do(t.Context(), h, holdfast.Call{Target: "a"}, func(ctx context.Context) (int, error) {
			for range 3 {
				if _, err := holdfast.Do(ctx, h, holdfast.Call{Target: "a"}, func(ctx context.Context) (int, error) {
					if s := l.Stats("a"); s.InFlight != 1 || s.Waiting != 0 {
						t.Errorf("%+v, want the outer call's place alone", s)
					}
					_, err := holdfast.Do(ctx, h, holdfast.Call{Target: "b"}, func(context.Context) (int, error) {
						if s := l.Stats("b"); s.InFlight != 1 {
							t.Errorf("another target: %+v, want a place of its own", s)
						}
						return 0, nil
					})
					return 0, err
				}); err != nil {
					return 0, err
				}
			}
			return 0, nil
		})
		if err != nil || time.Since(start) != 0 {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		if s := l.Stats("a"); s.InFlight != 0 {
			t.Errorf("%+v is left", s)
		}
	})
}

// Two at once do not share one place: the second waits for it, as a call of its own does.
func TestTwoCallsWithinACallDoNotShareAPlaceAtOnce(t *testing.T) {
	l := limit.NewInFlight(limit.InFlightOptions{Max: 1})
	h := holdfast.Chain(l)
	var second error
	_, err := holdfast.Do(t.Context(), h, holdfast.Call{Target: "a"}, func(ctx context.Context) (int, error) {
		return holdfast.Do(ctx, h, holdfast.Call{Target: "a"}, func(context.Context) (int, error) {
			_, second = holdfast.Do(ctx, h, holdfast.Call{Target: "a"}, func(context.Context) (int, error) { return 0, nil }) // by the outer call's context
			return 0, nil
		})
	})
	if err != nil || !errors.Is(second, limit.ErrLimited) {
		t.Errorf("%v; the second: %v, want no room", err, second)
	}
}

// A call three deep, and several at once, wait for what their outer call has, and not for
// themselves.
func TestCallsWithinACallWaitForEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := limit.NewInFlight(limit.InFlightOptions{Max: 1, Wait: time.Hour, Queue: 10})
		h := holdfast.Chain(l)
		call := holdfast.Call{Target: "a"}
		start := time.Now()
		_, err := holdfast.Do(t.Context(), h, call, func(ctx context.Context) (int, error) {
			var wg sync.WaitGroup
			for range 3 {
				wg.Go(func() {
					if _, err := holdfast.Do(ctx, h, call, func(ctx context.Context) (int, error) {
						return holdfast.Do(ctx, h, call, func(context.Context) (int, error) { time.Sleep(time.Second); return 0, nil })
					}); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			return 0, nil
		})
		if took := time.Since(start); err != nil || took != 3*time.Second {
			t.Errorf("%v after %v, want three calls, one after the other", err, took)
		}
		if s := l.Stats(""); s.InFlight != 0 || s.Waiting != 0 || s.Rejected != 0 {
			t.Errorf("%+v is left", s)
		}
	})
}

// Where there is room, calls within a call take places of their own beside the one they share.
func TestCallsWithinACallRunAtOnceWhereThereIsRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := limit.NewInFlight(limit.InFlightOptions{Max: 3, Wait: time.Hour})
		h := holdfast.Chain(l)
		call := holdfast.Call{Target: "a"}
		start := time.Now()
		_, _ = holdfast.Do(t.Context(), h, call, func(ctx context.Context) (int, error) {
			var wg sync.WaitGroup
			for range 3 {
				wg.Go(func() {
					_, _ = holdfast.Do(ctx, h, call, func(context.Context) (int, error) { time.Sleep(time.Second); return 0, nil })
				})
			}
			wg.Wait()
			return 0, nil
		})
		if took := time.Since(start); took != time.Second {
			t.Errorf("three calls took %v", took)
		}
	})
}

// A wait of ours that ends as the call's time does blames nobody.
func TestAWaitThatEndsWithTheCallsTime(t *testing.T) {
	for range 50 { // both are ready at once, and chance decides which is seen
		synctest.Test(t, func(t *testing.T) {
			inFlight := limit.NewInFlight(limit.InFlightOptions{Max: 1, Wait: time.Minute, Queue: 1})
			release, _ := inFlight.Acquire(t.Context(), "")
			time.AfterFunc(time.Second, release)
			rate := limit.NewRate(limit.RateOptions{PerSecond: 1, Burst: 1, Wait: time.Minute, Queue: 1})
			if err := rate.Acquire(t.Context(), ""); err != nil {
				t.Fatal(err)
			}
			for _, p := range []holdfast.Policy{inFlight, rate} {
				asked := false
				var got holdfast.Class
				go func() {
					_, _ = holdfast.Do(t.Context(), holdfast.Chain(aSecondFor(&got), p), holdfast.Call{Target: "a"}, func(context.Context) (int, error) { asked = true; return 0, nil })
					if want := map[bool]holdfast.Class{true: holdfast.Success, false: holdfast.Ignored}[asked]; got != want {
						t.Errorf("%T: asked: %v, judged as %v", p, asked, got)
					}
				}()
			}
			time.Sleep(2 * time.Second)
			if s := inFlight.Stats(""); s.InFlight != 0 {
				t.Errorf("%+v is left", s)
			}
		})
	}
}

// overUnseen is over after a second, which its Done has not shown yet: the moment in which a wait
// and the call's time end together.
type overUnseen struct {
	context.Context
	at time.Time
}

func (c overUnseen) Err() error {
	if time.Since(c.at) < time.Second {
		return nil
	}
	return context.Canceled
}

// A place or a token that comes as the caller's time ends is given back or used up, and not handed
// to a call that is over.
func TestNothingIsHadWithAContextThatIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := overUnseen{t.Context(), time.Now()}
		inFlight := limit.NewInFlight(limit.InFlightOptions{Max: 1, Wait: time.Minute, Queue: 1})
		release, _ := inFlight.Acquire(t.Context(), "")
		time.AfterFunc(time.Second, release)
		if _, err := inFlight.Acquire(ctx, ""); !errors.Is(err, context.Canceled) {
			t.Errorf("a place: %v", err)
		}
		if s := inFlight.Stats(""); s.InFlight != 0 {
			t.Errorf("%+v is left", s)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		ctx := overUnseen{t.Context(), time.Now()}
		rate := limit.NewRate(limit.RateOptions{PerSecond: 1, Burst: 1, Wait: time.Minute, Queue: 1})
		if err := rate.Acquire(t.Context(), ""); err != nil {
			t.Fatal(err)
		}
		if err := rate.Acquire(ctx, ""); !errors.Is(err, context.Canceled) {
			t.Errorf("a token: %v", err)
		}
	})
}

// Nor does a wait after which a policy further in spends what is left of the call's time.
func TestAWaitBeforeTheTimeIsSpentFurtherIn(t *testing.T) {
	for name, c := range map[string]struct {
		policy func(t *testing.T) holdfast.Policy
		want   holdfast.Class
	}{
		"no wait": {func(*testing.T) holdfast.Policy { return limit.NewInFlight(limit.InFlightOptions{}) }, holdfast.Failure},
		"for room": {func(t *testing.T) holdfast.Policy {
			l := limit.NewInFlight(limit.InFlightOptions{Max: 1, Wait: time.Minute, Queue: 1})
			release, _ := l.Acquire(t.Context(), "")
			time.AfterFunc(time.Second/2, release)
			return l
		}, holdfast.Ignored},
		"for a token": {func(t *testing.T) holdfast.Policy {
			l := limit.NewRate(limit.RateOptions{PerSecond: 2, Burst: 1, Wait: time.Minute, Queue: 1})
			_ = l.Acquire(t.Context(), "")
			return l
		}, holdfast.Ignored},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				if got := spentFurtherIn(t.Context(), c.policy(t)); got != c.want {
					t.Errorf("judged as %v, want %v", got, c.want)
				}
			})
		})
	}
	synctest.Test(t, func(t *testing.T) { // for what the outer call has
		l := limit.NewInFlight(limit.InFlightOptions{Max: 1, Wait: time.Minute})
		call := holdfast.Call{Target: "a"}
		_, _ = holdfast.Do(t.Context(), holdfast.Chain(l), call, func(ctx context.Context) (int, error) {
			go func() {
				_, _ = holdfast.Do(ctx, holdfast.Chain(l), call, func(context.Context) (int, error) { time.Sleep(time.Second / 2); return 0, nil })
			}()
			synctest.Wait()
			if got := spentFurtherIn(ctx, l); got != holdfast.Ignored {
				t.Errorf("judged as %v", got)
			}
			return 0, nil
		})
	})
}

// aSecondFor limits each call to a second, as package timeout does, and notes how it was judged.
func aSecondFor(got *holdfast.Class) holdfast.Policy {
	return holdfast.PolicyFunc(func(next holdfast.Handler) holdfast.Handler {
		return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
			ctx, cancel := context.WithTimeoutCause(ctx, time.Second, call.TimedOut(time.Second, "attempt"))
			defer cancel()
			call.Limit(time.Second)
			res := next(ctx, call)
			*got = res.Class
			return res
		}
	})
}

// spentFurtherIn is how a call through p is judged that has a second, all of which is spent right
// inside p.
func spentFurtherIn(ctx context.Context, p holdfast.Policy) (got holdfast.Class) {
	lag := holdfast.PolicyFunc(func(next holdfast.Handler) holdfast.Handler {
		return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
			<-ctx.Done()
			return next(ctx, call)
		}
	})
	_, _ = holdfast.Do(ctx, holdfast.Chain(aSecondFor(&got), p, lag), holdfast.Call{Target: "a"}, func(context.Context) (int, error) { return 1, nil })
	return got
}

// Whatever it waits for, and however often it comes too late for it, a call waits no longer than
// Wait in all.
func TestAWaitIsOneWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := limit.NewInFlight(limit.InFlightOptions{Max: 1, Wait: 5 * time.Second, Queue: 100})
		h := holdfast.Chain(l)
		call := holdfast.Call{Target: "a"}
		var served, rejected int
		var mu sync.Mutex
		_, _ = holdfast.Do(t.Context(), h, call, func(ctx context.Context) (int, error) {
			start := time.Now()
			var wg sync.WaitGroup
			for range 20 {
				wg.Go(func() {
					_, err := holdfast.Do(ctx, h, call, func(context.Context) (int, error) { time.Sleep(time.Second); return 0, nil })
					mu.Lock()
					defer mu.Unlock()
					if served++; err != nil {
						served, rejected = served-1, rejected+1
						if took := time.Since(start); took != 5*time.Second || !errors.Is(err, limit.ErrLimited) {
							t.Errorf("%v after %v", err, took)
						}
					}
				})
			}
			wg.Wait()
			return 0, nil
		})
		if served < 5 || served > 6 || served+rejected != 20 {
			t.Errorf("%d served, %d rejected", served, rejected)
		}
	})
}
