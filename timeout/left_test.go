package timeout_test

import (
	"context"
	"errors"
	"math"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/timeout"
)

// T28: an attempt has the lesser of its limit and of what is left, and
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
					h := holdfast.Chain(claim, timeout.New(timeout.Options{Limit: c.limit}))
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
		"set, below":                {timeout.Options{MinAttempt: 20 * time.Millisecond}, 19 * time.Millisecond, false},
		"set, at it":                {timeout.Options{MinAttempt: 20 * time.Millisecond}, 20 * time.Millisecond, true},
		"off":                       {timeout.Options{MinAttempt: -1}, 1, true},
		"more than half the limit":  {timeout.Options{MinAttempt: time.Hour, Limit: 10 * time.Millisecond}, 5 * time.Millisecond, true},
		"less than half the limit":  {timeout.Options{MinAttempt: time.Hour, Limit: 10 * time.Millisecond}, 5*time.Millisecond - 1, false},
		"limit off, idle limit on":  {timeout.Options{Limit: -1, Idle: time.Second, MinAttempt: time.Minute}, time.Second, false},
		"default, tiny limit":       {timeout.Options{Limit: 100 * time.Microsecond}, 60 * time.Microsecond, true},
		"everything off: no policy": {timeout.Options{Limit: -1, MinAttempt: time.Hour}, time.Second, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), c.left)
				defer cancel()
				sent := false
				res := holdfast.Chain(claim, timeout.New(c.o))(ctx, &holdfast.Call{Sender: send(func(context.Context, *holdfast.Call) holdfast.Result {
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
		res := try(t.Context(), takes(0), timeout.New(timeout.Options{Limit: time.Second}), wait, timeout.New(timeout.Options{Limit: 300 * time.Millisecond}))
		var limit *holdfast.TimeoutError
		if res.Code != "timeout" || !errors.As(res.Err, &limit) || limit.Scope != "call" || res.Class != holdfast.Ignored {
			t.Errorf("got %+v, want our limit over the call named", res)
		}
		if want := "holdfast: not sent: 500µs left before the deadline, less than 1ms"; res.Err.Error() != want {
			t.Errorf("got %q", res.Err)
		}
	})
}

func TestT28_ADeadlineInBetweenIsNotOurs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		between := holdfast.PolicyFunc(func(next holdfast.Handler) holdfast.Handler {
			return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
				ctx, cancel := context.WithTimeout(ctx, 500*time.Microsecond)
				defer cancel()
				return next(ctx, call)
			}
		})
		res := try(t.Context(), takes(0), timeout.New(timeout.Options{Limit: time.Second}), between, timeout.New(timeout.Options{Limit: 300 * time.Millisecond}))
		var limit *holdfast.TimeoutError
		if res.Code != "deadline" || errors.As(res.Err, &limit) {
			t.Errorf("got %+v, want a deadline that is not ours", res)
		}
	})
}

// R9: what is left of the whole call, and not what is configured, is what the
// transport reads and sends on.
func TestR09_TheTransportReadsWhatIsLeft(t *testing.T) {
	bubble(t, time.Second, func(t *testing.T) {
		var left []time.Duration
		try(t.Context(), func(ctx context.Context, call *holdfast.Call) holdfast.Result {
			d, _ := ctx.Deadline()
			left = append(left, time.Until(d))
			return takes(time.Hour)(ctx, call)
		}, timeout.New(timeout.Options{Limit: time.Second}), repeat(3), timeout.New(timeout.Options{Limit: 400 * time.Millisecond}))
		if want := []time.Duration{400 * time.Millisecond, 400 * time.Millisecond, 200 * time.Millisecond}; !slices.Equal(left, want) {
			t.Errorf("attempts had %v, want %v", left, want)
		}
	})
}

func TestWhereTheCallersDeadlineIsNearestThereIsNothingOfOurs(t *testing.T) {
	for _, call := range []holdfast.Call{{Unary: true}, {}, {Stream: true}} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			call.Sender = send(func(got context.Context, call *holdfast.Call) holdfast.Result {
				if got != ctx {
					t.Error("the transport has another context than the caller's")
				}
				return over(got, call)
			})
			holdfast.Chain(claim, timeout.New(timeout.Options{Limit: time.Second, Idle: time.Second}))(ctx, &call)
		})
	}
}

// A call whose own limit is beyond the outer one ends as of a deadline, also
// for what its transport derives.
func TestAnAdaptiveAttemptInsideANearerDeadline(t *testing.T) {
	bubble(t, 300*time.Millisecond, func(t *testing.T) {
		try(t.Context(), func(ctx context.Context, call *holdfast.Call) holdfast.Result {
			child, cancel := context.WithCancel(ctx)
			defer cancel()
			<-child.Done()
			if child.Err() != context.DeadlineExceeded {
				t.Errorf("ended with %v", child.Err())
			}
			return failed(ctx, ctx.Err())
		}, timeout.New(timeout.Options{Limit: 300 * time.Millisecond}), timeout.New(timeout.Options{Limit: time.Second, Adaptive: &timeout.Adaptive{}}))
	})
}

// An idle limit alone is no deadline: the transport reads the caller's, or none.
func TestAnIdleLimitIsNoDeadline(t *testing.T) {
	for _, limited := range []bool{false, true} {
		bubble(t, 0, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			theirs, _ := ctx.Deadline()
			if !limited {
				ctx = t.Context()
			}
			open(t, ctx, func(ctx context.Context, call *holdfast.Call) holdfast.Result {
				if got, ok := ctx.Deadline(); ok != limited || limited && !got.Equal(theirs) || ctx.Err() != nil {
					t.Errorf("a deadline of the caller's: %v; it reads %v, %v, and %v", limited, got, ok, ctx.Err())
				}
				return takes(0)(ctx, call)
			}, claim, timeout.New(timeout.Options{Limit: -1, Idle: time.Second})).Close()
		})
	}
}

// An idle limit within a whole one is told of though nobody waits, and no timer runs.
func TestAStallIsToldThoughNobodyWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := open(t, t.Context(), func(ctx context.Context, _ *holdfast.Call) holdfast.Result {
			return holdfast.Result{Reply: &body{ctx: ctx}, Class: holdfast.Success, Code: "200"}
		}, timeout.New(timeout.Options{Limit: time.Minute, Idle: time.Second}))
		defer b.Close()
		b.Progress(true)
		if time.Sleep(time.Second - 1); b.ended() != nil {
			t.Errorf("%v before the idle limit", b.ended())
		}
		if time.Sleep(1); b.ended() != context.DeadlineExceeded {
			t.Errorf("%v at the idle limit", b.ended())
		}
	})
}
