package breaker_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/breaker"
)

// A client that logs in on the connection of its first command makes a call within a call. When
// that one is the probe, the inner call is a part of it: it passes, one at a time, and the outer
// call alone decides.
func TestACallWithinAProbeBelongsToIt(t *testing.T) {
	for name, c := range map[string]struct {
		inner, outer error
		state        breaker.State
	}{
		"both are well":            {nil, nil, breaker.Closed},
		"the inner one fails":      {errors.New("no such user"), nil, breaker.Closed},
		"the outer one fails":      {nil, errors.New("down"), breaker.Open},
		"the inner one fails both": {errors.New("down"), errors.New("down"), breaker.Open},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := breaker.New(breaker.Options{ConsecutiveFailures: 1, ProbeTimeout: time.Hour})
				h := holdfast.Chain(b)
				call := holdfast.Call{Target: "redis"}
				_, _ = holdfast.Do(t.Context(), h, call, func(context.Context) (int, error) { return 0, errors.New("refused") })
				time.Sleep(time.Minute)
				logins := 0
				_, err := holdfast.Do(t.Context(), h, call, func(ctx context.Context) (int, error) {
					login := func(f func(context.Context) (int, error)) error {
						_, err := holdfast.Do(ctx, h, call, f)
						return err
					}
					if err := login(func(context.Context) (int, error) {
						logins++
						// A call of somebody else is no part of it.
						if _, err := holdfast.Do(t.Context(), h, call, func(context.Context) (int, error) { return 0, nil }); !errors.Is(err, breaker.ErrOpen) {
							t.Errorf("a call beside the probe: %v, want a rejection", err)
						}
						// Nor can it wait for itself: a call by the context of the outer one does, as long as a probe may take.
						if _, err := holdfast.Do(ctx, h, call, func(context.Context) (int, error) { return 0, nil }); !errors.Is(err, breaker.ErrOpen) {
							t.Errorf("a call that waits for the one it is made in: %v, want a rejection", err)
						}
						return 0, c.inner
					}); !errors.Is(err, c.inner) {
						t.Errorf("the first login: %v", err)
					}
					if err := login(func(context.Context) (int, error) { logins++; return 0, nil }); err != nil {
						t.Errorf("the second login: %v", err)
					}
					return 0, c.outer
				})
				if s := b.Status("redis"); !errors.Is(err, c.outer) || logins != 2 || s.State != c.state || s.Rejected != 2 {
					t.Errorf("%v after %d logins; %+v", err, logins, s)
				}
			})
		})
	}
}

// Several at once, and a call within a call within the probe, are parts of it as well.
func TestCallsWithinAProbeWaitForEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := breaker.New(breaker.Options{ConsecutiveFailures: 1})
		h := holdfast.Chain(b)
		call := holdfast.Call{Target: "redis"}
		_, _ = holdfast.Do(t.Context(), h, call, func(context.Context) (int, error) { return 0, errors.New("refused") })
		time.Sleep(time.Minute)
		var atOnce, most, made int
		var mu sync.Mutex
		busy := func(context.Context) (int, error) {
			mu.Lock()
			atOnce++
			most, made = max(most, atOnce), made+1
			mu.Unlock()
			time.Sleep(time.Second)
			mu.Lock()
			atOnce--
			mu.Unlock()
			return 0, nil
		}
		_, err := holdfast.Do(t.Context(), h, call, func(ctx context.Context) (int, error) {
			var wg sync.WaitGroup
			for range 3 {
				wg.Go(func() {
					if _, err := holdfast.Do(ctx, h, call, func(ctx context.Context) (int, error) { return holdfast.Do(ctx, h, call, busy) }); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			return 0, nil
		})
		if s := b.Status("redis"); err != nil || made != 3 || most != 1 || s.State != breaker.Closed || s.Rejected != 0 {
			t.Errorf("%v; %d calls, %d at once; %+v", err, made, most, s)
		}
	})
}

// A circuit that is isolated by hand rejects calls within its probe, too, also one that was waiting
// for its turn.
func TestACircuitThatIsIsolatedRejectsCallsWithinItsProbe(t *testing.T) {
	for _, waits := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			b := breaker.New(breaker.Options{ConsecutiveFailures: 1})
			h := holdfast.Chain(b)
			call := holdfast.Call{Target: "redis"}
			_, _ = holdfast.Do(t.Context(), h, call, func(context.Context) (int, error) { return 0, errors.New("refused") })
			time.Sleep(time.Minute)
			_, err := holdfast.Do(t.Context(), h, call, func(ctx context.Context) (int, error) {
				if waits {
					go func() {
						_, _ = holdfast.Do(ctx, h, call, func(context.Context) (int, error) { time.Sleep(2 * time.Second); return 0, nil })
					}()
					synctest.Wait()
					time.AfterFunc(time.Second, func() { b.Isolate("redis") })
				} else {
					b.Isolate("redis")
				}
				start, asked := time.Now(), false
				_, err := holdfast.Do(ctx, h, call, func(context.Context) (int, error) { asked = true; return 0, nil })
				var open *breaker.OpenError
				if asked || !errors.As(err, &open) || open.State != breaker.Isolated {
					t.Errorf("it waited: %v; asked: %v, %v, want a rejection", waits, asked, err)
				}
				if took := time.Since(start); took != map[bool]time.Duration{false: 0, true: 2 * time.Second}[waits] {
					t.Errorf("it waited: %v; rejected after %v", waits, took)
				}
				return 0, nil
			})
			if s := b.State("redis"); err != nil || s != breaker.Isolated {
				t.Errorf("%v, %v", err, s)
			}
		})
	}
}

// A call within a probe that has waited for its turn blames nobody when a policy further in spends
// what is left of its time, nor where the circuit was reset by hand meanwhile.
func TestAWaitWithinAProbeBlamesNobody(t *testing.T) {
	for name, c := range map[string]struct {
		waits, reset bool
		want         holdfast.Class
	}{
		"no wait":                  {false, false, holdfast.Failure},
		"a wait":                   {true, false, holdfast.Ignored},
		"a wait, and it was reset": {true, true, holdfast.Ignored},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := breaker.New(breaker.Options{ConsecutiveFailures: 1})
				h := holdfast.Chain(b)
				call := holdfast.Call{Target: "redis"}
				_, _ = holdfast.Do(t.Context(), h, call, func(context.Context) (int, error) { return 0, errors.New("refused") })
				time.Sleep(time.Minute)
				var got holdfast.Class
				limited := holdfast.PolicyFunc(func(next holdfast.Handler) holdfast.Handler {
					return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
						ctx, cancel := context.WithTimeoutCause(ctx, 2*time.Second, call.TimedOut(2*time.Second, "attempt"))
						defer cancel()
						call.Limit(2 * time.Second)
						res := next(ctx, call)
						got = res.Class
						return res
					}
				})
				lag := holdfast.PolicyFunc(func(next holdfast.Handler) holdfast.Handler {
					return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
						<-ctx.Done()
						return next(ctx, call)
					}
				})
				_, _ = holdfast.Do(t.Context(), h, call, func(ctx context.Context) (int, error) {
					if c.waits {
						go func() {
							_, _ = holdfast.Do(ctx, h, call, func(context.Context) (int, error) { time.Sleep(time.Second); return 0, nil })
						}()
						synctest.Wait()
					}
					if c.reset {
						time.AfterFunc(time.Second/2, func() { b.Reset("redis") })
					}
					_, _ = holdfast.Do(ctx, holdfast.Chain(limited, b, lag), call, func(context.Context) (int, error) { return 0, nil })
					return 0, nil
				})
				if got != c.want {
					t.Errorf("judged as %v, want %v", got, c.want)
				}
			})
		})
	}
}

// A breaker that only observes changes nothing of what is sent.
func TestAnObserverLeavesItsProbesAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := breaker.New(breaker.Options{ConsecutiveFailures: 1, ObserveOnly: true})
		h := holdfast.Chain(b)
		call := holdfast.Call{Target: "t"}
		_, _ = holdfast.Do(t.Context(), h, call, func(context.Context) (int, error) { return 0, errors.New("refused") })
		time.Sleep(time.Minute)
		_, _ = holdfast.Do(t.Context(), h, call, func(ctx context.Context) (int, error) {
			return holdfast.Do(ctx, holdfast.Chain(holdfast.PolicyFunc(func(next holdfast.Handler) holdfast.Handler {
				return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
					res := next(ctx, call)
					if why, may := call.MayRepeat(ctx); !may {
						t.Errorf("it may not be repeated: %s", why)
					}
					return res
				}
			}), b), call, func(context.Context) (int, error) { return 0, nil })
		})
	})
}

// A probe whose time a listener has spent is none: it was not sent, and blames nobody.
func TestAListenerThatTakesAProbesTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := false
		b := breaker.New(breaker.Options{ConsecutiveFailures: 1, OnChange: func(context.Context, holdfast.Event) {
			if slow {
				time.Sleep(2 * time.Second)
			}
		}})
		h := holdfast.Chain(b)
		call := holdfast.Call{Target: "t"}
		_, _ = holdfast.Do(t.Context(), h, call, func(context.Context) (int, error) { return 0, errors.New("refused") })
		time.Sleep(time.Minute)
		slow = true
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		asked := false
		_, err := holdfast.Do(ctx, h, call, func(context.Context) (int, error) { asked = true; return 0, nil })
		if s := b.State("t"); asked || !errors.Is(err, context.DeadlineExceeded) || s != breaker.HalfOpen {
			t.Errorf("asked: %v, %v, %v", asked, err, s)
		}
	})
}
