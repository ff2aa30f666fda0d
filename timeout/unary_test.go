package timeout_test

import (
	"context"
	"errors"
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
		"call":    {timeout.New(timeout.Options{Limit: 2 * time.Second})},
		"attempt": {claim, timeout.New(timeout.Options{Limit: 2 * time.Second})},
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
		_, err := holdfast.Do(t.Context(), holdfast.Chain(timeout.New(timeout.Options{Limit: time.Second})), holdfast.Call{Target: "t"}, func(ctx context.Context) (int, error) {
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
		res := try(t.Context(), slowly, timeout.New(timeout.Options{Limit: 2 * time.Second}), repeat(10), timeout.New(timeout.Options{Limit: 600 * time.Millisecond}))
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
		}, repeat(10), timeout.New(timeout.Options{Limit: time.Second}))
		if sends != 1 || res.Code != "deadline" {
			t.Errorf("%d sends, %+v; want one, ended by the caller", sends, res)
		}
	})
}

func TestACallerWhoHasCancelledIsNotTooLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Microsecond)
		cancel()
		res := try(ctx, func(ctx context.Context, call *holdfast.Call) holdfast.Result {
			return failed(ctx, ctx.Err())
		}, timeout.New(timeout.Options{Limit: time.Second}))
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
		code     holdfast.Code
	}{
		"attempt limit":                  {0, []holdfast.Policy{claim, timeout.New(timeout.Options{Limit: 50 * time.Millisecond})}, holdfast.Failure, "timeout"},
		"whole limit alone":              {0, []holdfast.Policy{timeout.New(timeout.Options{Limit: 50 * time.Millisecond})}, holdfast.Failure, "timeout"},
		"whole limit cuts an attempt":    {0, []holdfast.Policy{timeout.New(timeout.Options{Limit: 500 * time.Millisecond}), claim, late(300 * time.Millisecond), timeout.New(timeout.Options{Limit: 400 * time.Millisecond})}, holdfast.Ignored, "timeout"},
		"caller leaves less than limit":  {300 * time.Millisecond, []holdfast.Policy{claim, timeout.New(timeout.Options{Limit: 400 * time.Millisecond})}, holdfast.Ignored, "deadline"},
		"caller leaves as much as limit": {400 * time.Millisecond, []holdfast.Policy{claim, timeout.New(timeout.Options{Limit: 400 * time.Millisecond})}, holdfast.Failure, "deadline"},
		"caller leaves a second":         {time.Second, []holdfast.Policy{claim, timeout.New(timeout.Options{Limit: time.Minute})}, holdfast.Failure, "deadline"},
		"caller leaves half a second":    {500 * time.Millisecond, []holdfast.Policy{claim, timeout.New(timeout.Options{Limit: time.Minute})}, holdfast.Failure, "deadline"},
		"caller leaves less than that":   {490 * time.Millisecond, []holdfast.Policy{claim, timeout.New(timeout.Options{Limit: time.Minute})}, holdfast.Ignored, "deadline"},
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
									holdfast.Chain(outer, timeout.New(o))(parent, &call)
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
		h := holdfast.Chain(timeout.New(timeout.Options{Limit: 5 * time.Second}), claim, timeout.New(timeout.Options{Limit: time.Second, Adaptive: &timeout.Adaptive{}}))
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
	}) // the bubble does not end while a goroutine is left
}

// A limit of an outer stream, which is no deadline to be seen and ends its context by a cancel, is
// one to a call within it that has a limit of its own, also where a context of somebody else's is in
// between.
func TestALimitOfAnOuterCallIsADeadlineWithin(t *testing.T) {
	bubble(t, time.Second, func(t *testing.T) {
		limited := holdfast.Chain(timeout.New(timeout.Options{Limit: time.Minute}))
		h := holdfast.Chain(claim, timeout.New(timeout.Options{Limit: time.Second}))
		h(t.Context(), &holdfast.Call{Target: "a", Stream: true, Sender: send(func(ctx context.Context, call *holdfast.Call) holdfast.Result {
			between, cancel := context.WithCancel(call.Context(ctx))
			defer cancel()
			_, err := holdfast.Do(between, limited, holdfast.Call{Target: "b"}, func(ctx context.Context) (int, error) {
				<-ctx.Done()
				if ctx.Err() != context.DeadlineExceeded {
					t.Errorf("it has ended with %v", ctx.Err())
				}
				return 0, ctx.Err()
			})
			return failed(ctx, err)
		})})
	})
}
