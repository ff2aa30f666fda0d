package timeout_test

import (
	"context"
	"errors"
	"math"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/timeout"
)

// try sends one call that is over with its Result.
func try(ctx context.Context, sender send, policies ...holdfast.Policy) holdfast.Result {
	return holdfast.Chain(policies...)(ctx, &holdfast.Call{Target: "a", Unary: true, Repeatable: true, Sender: sender})
}

func TestALimitIsARealDeadlineForACallThatEndsWithItsResult(t *testing.T) {
	for scope, policies := range map[string][]holdfast.Policy{
		"call":    {timeout.New(2 * time.Second)},
		"attempt": {claim, timeout.New(2 * time.Second)},
	} {
		t.Run(scope, func(t *testing.T) {
			bubble(t, 2*time.Second, func(t *testing.T) {
				start := time.Now()
				var seen context.Context
				res := try(t.Context(), func(ctx context.Context, call *holdfast.Call) holdfast.Result {
					seen = ctx
					if d, ok := ctx.Deadline(); !ok || d.Sub(start) != 2*time.Second {
						t.Errorf("deadline %v %v, want one in 2s", d.Sub(start), ok)
					}
					// What the transport derives ends as of a deadline, not of a cancel.
					child, cancel := context.WithCancel(call.Context(ctx))
					defer cancel()
					<-child.Done()
					if child.Err() != context.DeadlineExceeded {
						t.Errorf("a derived context ended with %v", child.Err())
					}
					return failed(child, child.Err())
				}, policies...)
				if res.Err != context.DeadlineExceeded || res.Class != holdfast.Failure || res.Code != "timeout" {
					t.Errorf("got %+v, want the transport's Result as it came, a Failure", res)
				}
				var limit *holdfast.TimeoutError
				if cause := context.Cause(seen); !errors.As(cause, &limit) || limit.Scope != scope || limit.Limit != 2*time.Second {
					t.Errorf("cause %v, want the limit of the %s", cause, scope)
				}
			})
		})
	}
}

func TestAFunctionLearnsWhichLimitRanOut(t *testing.T) {
	bubble(t, time.Second, func(t *testing.T) {
		_, err := holdfast.Do(t.Context(), holdfast.Chain(timeout.New(time.Second)), holdfast.Call{}, func(ctx context.Context) (int, error) {
			<-ctx.Done()
			return 0, ctx.Err()
		})
		if err == nil || err.Error() != "holdfast: call timed out after 1s" {
			t.Errorf("got %v", err)
		}
	})
}

// T27: an attempt that ended by its own limit is repeated while the parent
// lives; the parent's end is not.
func TestT27_AnAttemptsOwnLimitLeavesTheCallAlive(t *testing.T) {
	bubble(t, 2*time.Second, func(t *testing.T) {
		var sends int
		slowly := func(ctx context.Context, call *holdfast.Call) holdfast.Result {
			sends++
			return takes(time.Hour)(ctx, call)
		}
		res := try(t.Context(), slowly, timeout.New(2*time.Second), repeat(10), timeout.New(600*time.Millisecond))
		// Three whole attempts, and a fourth with the 200 ms that were left.
		if sends != 4 || res.Code != "timeout" || res.Class != holdfast.Ignored {
			t.Errorf("%d sends, %+v; want 4 and the call's own end, which is nobody's failure", sends, res)
		}
	})
	bubble(t, 300*time.Millisecond, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		var sends int
		res := try(ctx, func(ctx context.Context, call *holdfast.Call) holdfast.Result {
			sends++
			return takes(time.Hour)(ctx, call)
		}, repeat(10), timeout.New(time.Second))
		if sends != 1 || res.Code != "deadline" {
			t.Errorf("%d sends, %+v; want one, ended by the caller", sends, res)
		}
	})
}

// T28 and R9: an attempt has the lesser of its limit and of what is left, and
// that is what the transport reads; none starts with less than the floor left.
func TestT28_AnAttemptNeverHasMoreThanIsLeft(t *testing.T) {
	for name, c := range map[string]struct {
		caller, limit, want time.Duration
		cause               string
	}{
		"the limit is nearer":    {time.Second, 300 * time.Millisecond, 300 * time.Millisecond, "holdfast: attempt timed out after 300ms"},
		"the caller is nearer":   {200 * time.Millisecond, 300 * time.Millisecond, 200 * time.Millisecond, "context deadline exceeded"},
		"both at once":           {300 * time.Millisecond, 300 * time.Millisecond, 300 * time.Millisecond, "context deadline exceeded"},
		"no limit that is worth": {time.Second, math.MaxInt64, time.Second, "context deadline exceeded"},
	} {
		for _, unary := range []bool{true, false} {
			t.Run(name, func(t *testing.T) {
				bubble(t, c.want, func(t *testing.T) {
					ctx, cancel := context.WithTimeout(t.Context(), c.caller)
					defer cancel()
					start := time.Now()
					h := holdfast.Chain(claim, timeout.New(c.limit))
					h(ctx, &holdfast.Call{Unary: unary, Sender: send(func(ctx context.Context, call *holdfast.Call) holdfast.Result {
						if d, ok := ctx.Deadline(); !ok || d.Sub(start) != c.want {
							t.Errorf("the transport reads a deadline in %v, want %v", d.Sub(start), c.want)
						}
						<-ctx.Done()
						if cause := context.Cause(ctx); cause.Error() != c.cause {
							t.Errorf("cause %q, want %q", cause, c.cause)
						}
						if ctx.Err() != context.DeadlineExceeded {
							t.Errorf("ended with %v", ctx.Err())
						}
						return failed(ctx, ctx.Err())
					})})
				})
			})
		}
	}
}

func TestT28_NoAttemptStartsBelowTheFloor(t *testing.T) {
	for name, c := range map[string]struct {
		o    timeout.Options
		left time.Duration
		sent bool
	}{
		"default, below":            {timeout.Options{}, time.Millisecond - 1, false},
		"default, at it":            {timeout.Options{}, time.Millisecond, true},
		"set, below":                {timeout.Options{Floor: 20 * time.Millisecond}, 19 * time.Millisecond, false},
		"set, at it":                {timeout.Options{Floor: 20 * time.Millisecond}, 20 * time.Millisecond, true},
		"off":                       {timeout.Options{Floor: -1}, 1, true},
		"more than half the limit":  {timeout.Options{Floor: time.Hour, Limit: 10 * time.Millisecond}, 5 * time.Millisecond, true},
		"less than half the limit":  {timeout.Options{Floor: time.Hour, Limit: 10 * time.Millisecond}, 5*time.Millisecond - 1, false},
		"limit off, idle limit on":  {timeout.Options{Limit: -1, Idle: time.Second, Floor: time.Minute}, time.Second, false},
		"default, tiny limit":       {timeout.Options{Limit: 100 * time.Microsecond}, 60 * time.Microsecond, true},
		"everything off: no policy": {timeout.Options{Limit: -1, Floor: time.Hour}, time.Second, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), c.left)
				defer cancel()
				sent := false
				res := holdfast.Chain(claim, timeout.With(c.o))(ctx, &holdfast.Call{Sender: send(func(context.Context, *holdfast.Call) holdfast.Result {
					sent = true
					return over(nil, nil)
				})})
				if sent != c.sent {
					t.Fatalf("sent: %v, want %v (%+v)", sent, c.sent, res)
				}
				if sent {
					return
				}
				if res.Class != holdfast.Ignored || res.Code != "deadline" || !errors.Is(res.Err, context.DeadlineExceeded) || res.Reply != nil {
					t.Errorf("got %+v, want a deadline that is nobody's failure", res)
				}
				if timeout, ok := res.Err.(interface{ Timeout() bool }); !ok || !timeout.Timeout() {
					t.Error("the error is no timeout")
				}
			})
		})
	}
}

func TestT28_TheFloorTellsWhoseDeadlineIsNear(t *testing.T) {
	bubble(t, 999500*time.Microsecond, func(t *testing.T) {
		wait := holdfast.PolicyFunc(func(next holdfast.Handler) holdfast.Handler {
			return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
				time.Sleep(999500 * time.Microsecond)
				return next(ctx, call)
			}
		})
		res := try(t.Context(), takes(0), timeout.New(time.Second), wait, timeout.New(300*time.Millisecond))
		var limit *holdfast.TimeoutError
		if res.Code != "timeout" || !errors.As(res.Err, &limit) || limit.Scope != "call" || res.Class != holdfast.Ignored {
			t.Errorf("got %+v, want our limit over the call named", res)
		}
		if want := "holdfast: not sent: 500µs left before the deadline, less than 1ms"; res.Err.Error() != want {
			t.Errorf("got %q", res.Err)
		}
	})
}

func TestACallerWhoHasCancelledIsNotTooLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Microsecond)
		cancel()
		res := try(ctx, func(ctx context.Context, call *holdfast.Call) holdfast.Result {
			return failed(ctx, ctx.Err())
		}, timeout.New(time.Second))
		if res.Code != "cancelled" || res.Err != context.Canceled {
			t.Errorf("got %+v, want what the transport says of a cancel", res)
		}
	})
}

// T47, the part of the verdict: an expired deadline is a failure when the
// attempt had run for min(limit, 1 s), and nothing otherwise.
func TestT47_AServerThatHadItsTimeHasFailed(t *testing.T) {
	for name, c := range map[string]struct {
		caller   time.Duration
		policies []holdfast.Policy
		class    holdfast.Class
		code     string
	}{
		"attempt limit":                    {0, []holdfast.Policy{claim, timeout.New(50 * time.Millisecond)}, holdfast.Failure, "timeout"},
		"whole limit alone":                {0, []holdfast.Policy{timeout.New(50 * time.Millisecond)}, holdfast.Failure, "timeout"},
		"whole limit cuts an attempt":      {0, []holdfast.Policy{timeout.New(500 * time.Millisecond), claim, late(300 * time.Millisecond), timeout.New(400 * time.Millisecond)}, holdfast.Ignored, "timeout"},
		"caller leaves less than limit":    {300 * time.Millisecond, []holdfast.Policy{claim, timeout.New(400 * time.Millisecond)}, holdfast.Ignored, "deadline"},
		"caller leaves as much as limit":   {400 * time.Millisecond, []holdfast.Policy{claim, timeout.New(400 * time.Millisecond)}, holdfast.Failure, "deadline"},
		"caller leaves a second":           {time.Second, []holdfast.Policy{claim, timeout.New(time.Minute)}, holdfast.Failure, "deadline"},
		"caller leaves less than a second": {900 * time.Millisecond, []holdfast.Policy{claim, timeout.New(time.Minute)}, holdfast.Ignored, "deadline"},
	} {
		for _, unary := range []bool{true, false} {
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					ctx := t.Context()
					if c.caller > 0 {
						var cancel context.CancelFunc
						ctx, cancel = context.WithTimeout(ctx, c.caller)
						defer cancel()
					}
					res := holdfast.Chain(c.policies...)(ctx, &holdfast.Call{Unary: unary, Sender: takes(time.Hour)})
					if res.Class != c.class || res.Code != c.code {
						t.Errorf("got %v %q, want %v %q", res.Class, res.Code, c.class, c.code)
					}
				})
			})
		}
	}
}

// late sends a call on after d.
func late(d time.Duration) holdfast.Policy {
	return holdfast.PolicyFunc(func(next holdfast.Handler) holdfast.Handler {
		return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
			time.Sleep(d)
			return next(ctx, call)
		}
	})
}

func TestTheContextIsReleasedOnEveryPath(t *testing.T) {
	paths := map[string]send{
		"answer":  over,
		"error":   func(context.Context, *holdfast.Call) holdfast.Result { return holdfast.Result{Err: errBoom} },
		"nothing": func(context.Context, *holdfast.Call) holdfast.Result { return holdfast.Result{} },
		"panic":   func(context.Context, *holdfast.Call) holdfast.Result { panic(errBoom) },
		"exit":    func(context.Context, *holdfast.Call) holdfast.Result { runtime.Goexit(); return holdfast.Result{} },
	}
	for name, path := range paths {
		for _, kind := range []holdfast.Call{{Unary: true}, {}, {Stream: true}} {
			for _, o := range []timeout.Options{{}, {Streams: true}, {Idle: time.Second}, {Adaptive: &timeout.Adaptive{}}} {
				for _, outer := range []holdfast.Policy{nil, claim} {
					for _, derives := range []bool{false, true} {
						t.Run(name, func(t *testing.T) {
							bubble(t, 0, func(t *testing.T) { // and the bubble must end: no timer, no goroutine is left
								call := kind
								var seen context.Context
								call.Sender = send(func(ctx context.Context, call *holdfast.Call) holdfast.Result {
									seen = ctx
									if derives {
										context.AfterFunc(ctx, func() {})
									}
									return path(ctx, call)
								})
								parent := context.WithoutCancel(t.Context())
								var wg sync.WaitGroup
								wg.Go(func() {
									defer func() {
										if r := recover(); r != nil && r != errBoom {
											t.Error(r)
										}
									}()
									holdfast.Chain(outer, timeout.With(o))(parent, &call)
								})
								wg.Wait()
								if seen == parent {
									return // nothing was limited
								}
								if seen.Err() != context.Canceled {
									t.Errorf("the context is not let go of: %v", seen.Err())
								}
							})
						})
					}
				}
			}
		}
	}
}

func TestAThousandCallsAtOnce(t *testing.T) {
	bubble(t, time.Second, func(t *testing.T) {
		h := holdfast.Chain(timeout.New(5*time.Second), claim, timeout.With(timeout.Options{Limit: time.Second, Adaptive: &timeout.Adaptive{}}))
		var wg sync.WaitGroup
		for i := range 1000 {
			wg.Go(func() {
				sender := takes(time.Duration(i) * time.Millisecond)
				if i%2 == 1 {
					sender = takes(time.Hour)
				}
				res := h(t.Context(), &holdfast.Call{Target: "a", Unary: i%4 < 2, Sender: sender})
				if want := i%2 == 0; (res.Err == nil) != want {
					t.Errorf("call %d: %+v", i, res)
				}
				res.Discard()
			})
		}
		wg.Wait()
		if n := goroutines(t); n > 10 {
			t.Errorf("%d goroutines are left", n)
		}
	})
}

func TestNothingLimitedIsNoPolicy(t *testing.T) {
	next := holdfast.Handler(func(context.Context, *holdfast.Call) holdfast.Result { return holdfast.Result{Code: "next"} })
	for name, p := range map[string]*timeout.Timeout{
		"nil": nil, "zero": new(timeout.Timeout), "off": timeout.New(-1),
		"all off":              timeout.With(timeout.Options{Limit: -1, Idle: -1, Floor: time.Hour, Adaptive: &timeout.Adaptive{}}),
		"most negative number": timeout.New(math.MinInt64),
	} {
		// A Call without a Record would be a panic if anything were in between.
		if got := p.Wrap(next)(nil, new(holdfast.Call)).Code; got != "next" {
			t.Errorf("%s: %q", name, got)
		}
		if p.Limit("a") != 0 {
			t.Errorf("%s: a limit of %v", name, p.Limit("a"))
		}
	}
	if timeout.New(time.Second).Wrap(nil) != nil {
		t.Error("a nil Handler was wrapped")
	}
}

func TestAnOffTimeoutTakesNoPosition(t *testing.T) {
	bubble(t, 2*time.Second, func(t *testing.T) {
		b := open(t, t.Context(), takes(0), timeout.New(-1), timeout.New(2*time.Second))
		if err := b.read(time.Hour); err == nil {
			t.Error("the limit that is there is not around the whole call")
		}
	})
}

func TestAbsurdLimits(t *testing.T) {
	if got := timeout.New(0).Limit("a"); got != timeout.DefaultLimit {
		t.Errorf("New(0) limits to %v", got)
	}
	for _, d := range []time.Duration{1, 1 << 62, math.MaxInt64, math.MaxInt64 - 1, math.MaxInt64 / 10} {
		for _, o := range []timeout.Options{{Limit: d}, {Limit: d, Idle: d, Floor: d, Streams: true}, {Limit: -1, Idle: d}, {Limit: d, Floor: math.MaxInt64, Adaptive: &timeout.Adaptive{Min: d, Window: d}}} {
			for _, call := range []holdfast.Call{{Unary: true}, {}, {Stream: true}} {
				for _, outer := range []holdfast.Policy{nil, claim} {
					synctest.Test(t, func(t *testing.T) {
						call := call
						call.Sender = takes(0)
						if d == 1 {
							call.Sender = send(over)
						}
						res := holdfast.Chain(outer, timeout.With(o))(t.Context(), &call)
						if res.Err != nil {
							t.Fatalf("%+v: %v", o, res.Err)
						}
						if d > 1 && !call.Unary {
							b := res.Reply.(*body)
							for range 3 {
								if err := b.read(time.Second); err != nil {
									t.Errorf("%+v: %v", o, err)
								}
								time.Sleep(time.Second)
							}
						}
						res.Discard()
					})
				}
			}
		}
	}
}
