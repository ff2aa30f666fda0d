package timeout

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
)

type sender func(ctx context.Context, call *holdfast.Call) holdfast.Result

func (f sender) Send(ctx context.Context, call *holdfast.Call) holdfast.Result { return f(ctx, call) }

type ended struct{ holdfast.Ending }

func (e *ended) Discard() { e.Finish(holdfast.End{Class: holdfast.Success}) }

type kind struct {
	name  string
	call  holdfast.Call
	outer bool // inside a policy that repeats
}

var kinds = []kind{
	{"unary", holdfast.Call{Unary: true}, false}, {"whole", holdfast.Call{}, false},
	{"attempt", holdfast.Call{}, true}, {"stream", holdfast.Call{Stream: true}, true},
}

// under runs f as the transport of one call that is limited to a second.
func under(ctx context.Context, k kind, f func(ctx context.Context)) {
	call := k.call
	call.Record = new(holdfast.Record)
	if k.outer {
		call.Record.Claim()
	}
	call.Sender = sender(func(ctx context.Context, call *holdfast.Call) holdfast.Result {
		f(ctx)
		return holdfast.Result{Err: context.Canceled}
	})
	holdfast.Chain(New(Options{Limit: time.Second}))(ctx, &call)
}

func eachKind(t *testing.T, f func(t *testing.T, k kind)) {
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) { synctest.Test(t, func(t *testing.T) { f(t, k) }) })
	}
}

func TestTheContextTellsTheTimeThoughNobodyWaits(t *testing.T) {
	eachKind(t, func(t *testing.T, k kind) {
		under(t.Context(), k, func(ctx context.Context) {
			time.Sleep(time.Second - 1)
			if err := ctx.Err(); err != nil || context.Cause(ctx) != nil {
				t.Errorf("%v before the limit", err)
			}
			if c := ctx.(*bounded); c.inner != nil || c.timer != nil {
				t.Error("a timer was made for nobody")
			}
			time.Sleep(1)
			if err := ctx.Err(); err != context.DeadlineExceeded {
				t.Errorf("%v at the limit, want context.DeadlineExceeded", err)
			}
			select {
			case <-ctx.Done():
			default:
				t.Error("Done is not closed, and Err says that it is over")
			}
			if _, ok := context.Cause(ctx).(*holdfast.TimeoutError); !ok {
				t.Errorf("cause %v", context.Cause(ctx))
			}
		})
	})
}

func TestContextsDerivedFromItStartNoGoroutine(t *testing.T) {
	eachKind(t, func(t *testing.T, k kind) {
		under(t.Context(), k, func(ctx context.Context) {
			before := runtime.NumGoroutine()
			ctx = new(holdfast.Call).Context(ctx) // as a Sender passes it on
			children := make([]context.Context, 100)
			for i := range children {
				child, cancel := context.WithCancel(ctx)
				defer cancel()
				children[i] = child
			}
			if n := runtime.NumGoroutine() - before; n > 0 {
				t.Errorf("%d goroutines", n)
			}
			<-children[0].Done()
			synctest.Wait() // the timer reaches them one after another
			for _, child := range children {
				if child.Err() == nil {
					t.Fatal("a child outlives its parent")
				}
				if _, ok := context.Cause(child).(*holdfast.TimeoutError); !ok {
					t.Errorf("cause %v", context.Cause(child))
				}
			}
		})
	})
}

func TestTheCallersEndIsSeen(t *testing.T) {
	eachKind(t, func(t *testing.T, k kind) {
		for _, asked := range []bool{false, true} {
			parent, cancel := context.WithCancelCause(t.Context())
			under(parent, k, func(ctx context.Context) {
				if asked {
					ctx.Done()
				}
				boom := fmt.Errorf("boom")
				cancel(boom)
				if ctx.Err() != context.Canceled || context.Cause(ctx) != boom {
					t.Errorf("%v because of %v, want the caller's cancel", ctx.Err(), context.Cause(ctx))
				}
				<-ctx.Done()
			})
		}
	})
}

// What is derived from it after the caller has gone is over from the beginning.
func TestTheCallersEndIsSeenByWhatIsDerivedAtOnce(t *testing.T) {
	eachKind(t, func(t *testing.T, k kind) {
		parent, cancel := context.WithCancel(t.Context())
		under(parent, k, func(ctx context.Context) {
			ctx.Done()
			cancel()
			child, let := context.WithCancel(ctx)
			defer let()
			if child.Err() != context.Canceled {
				t.Errorf("%v", child.Err())
			}
		})
	})
}

func TestItIsOverWhenTheCallIs(t *testing.T) {
	eachKind(t, func(t *testing.T, k kind) {
		for _, asked := range []bool{false, true} {
			var seen *bounded
			under(t.Context(), k, func(ctx context.Context) {
				seen = ctx.(*bounded)
				if asked {
					ctx.Done()
				}
			})
			if seen.timer != nil {
				t.Error("the timer was not let go of")
			}
			if seen.Err() != context.Canceled {
				t.Errorf("Err is %v", seen.Err())
			}
			<-seen.Done()
			time.Sleep(time.Hour) // nothing comes later
			if seen.Err() != context.Canceled || context.Cause(seen) != context.Canceled {
				t.Errorf("%v because of %v after an hour", seen.Err(), context.Cause(seen))
			}
		}
	})
}

func TestValuesAreFoundWithAndWithoutTheTimer(t *testing.T) {
	type key struct{}
	eachKind(t, func(t *testing.T, k kind) {
		under(context.WithValue(t.Context(), key{}, "kept"), k, func(ctx context.Context) {
			for range 2 {
				if ctx.Value(key{}) != "kept" || ctx.Value("none") != nil {
					t.Error("the caller's values are lost")
				}
				ctx.Done()
			}
			if s := fmt.Sprint(ctx); !strings.Contains(s, "timeout") {
				t.Errorf("it prints as %q", s)
			}
		})
	})
}

// An attempt inside a limit of ours takes no second timer for the whole call,
// and is cancelled with the caller all the same.
func TestAnAttemptPassesOverAWholeLimitThatNobodyWaitsFor(t *testing.T) {
	for name, c := range map[string]struct {
		unary  bool
		waited bool
		over   bool
	}{
		"unary":         {true, false, true},
		"unary, waited": {true, true, false},
		"body":          {false, false, true},
		"body, waited":  {false, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				parent, cancel := context.WithCancel(t.Context())
				var whole *bounded
				between := holdfast.PolicyFunc(func(next holdfast.Handler) holdfast.Handler {
					return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
						if whole = ctx.(*bounded); c.waited {
							ctx.Done()
						}
						return next(ctx, call)
					}
				})
				holdfast.Chain(New(Options{Limit: 2 * time.Second}), between, New(Options{Limit: time.Second}))(parent, &holdfast.Call{Unary: c.unary, Sender: sender(func(ctx context.Context, _ *holdfast.Call) holdfast.Result {
					done := ctx.Done()
					if got := whole.inner == nil; got != c.over {
						t.Errorf("passed over: %v, want %v", got, c.over)
					}
					cancel()
					<-done
					if ctx.Err() != context.Canceled {
						t.Errorf("ended with %v", ctx.Err())
					}
					return holdfast.Result{Err: ctx.Err()}
				})})
			})
		})
	}
}

// So it does over several limits, each around the next one.
func TestAnAttemptPassesOverAllLimitsThatNobodyWaitsFor(t *testing.T) {
	for _, unary := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			var outer []*bounded
			note := holdfast.PolicyFunc(func(next holdfast.Handler) holdfast.Handler {
				return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
					outer = append(outer, ctx.(*bounded))
					return next(ctx, call)
				}
			})
			start := time.Now()
			h := holdfast.Chain(New(Options{Limit: 3 * time.Second}), note, New(Options{Limit: 2 * time.Second}), note, New(Options{Limit: time.Second}))
			h(t.Context(), &holdfast.Call{Unary: unary, Sender: sender(func(ctx context.Context, _ *holdfast.Call) holdfast.Result {
				<-ctx.Done()
				for _, c := range outer {
					if c.inner != nil {
						t.Errorf("unary %v: that of %v has a context of its own", unary, c.limit)
					}
				}
				if ctx.Err() != context.DeadlineExceeded || time.Since(start) != time.Second {
					t.Errorf("unary %v: %v after %v", unary, ctx.Err(), time.Since(start))
				}
				return holdfast.Result{Err: ctx.Err()}
			})})
		})
	}
}

// A policy in between that waits for the call's context, and does not wait for
// the attempt, ends the attempt along with the call. Where nobody waits for either, so does
// an attempt that asks when the call is over.
func TestAnAttemptEndsWithTheCallThatSomebodyWaitsFor(t *testing.T) {
	for name, c := range map[string]struct{ unary, late bool }{
		"unary": {true, false}, "body": {false, false}, "unary, late": {true, true}, "body, late": {false, true},
	} {
		synctest.Test(t, func(t *testing.T) {
			left, over := make(chan error, 1), make(chan struct{})
			between := holdfast.PolicyFunc(func(next holdfast.Handler) holdfast.Handler {
				return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
					if !c.late {
						ctx.Done()
					}
					go next(ctx, call)
					synctest.Wait()
					return holdfast.Result{Err: context.Canceled}
				}
			})
			start := time.Now()
			holdfast.Chain(New(Options{Limit: 2 * time.Second}), between, New(Options{Limit: time.Second}))(t.Context(), &holdfast.Call{Unary: c.unary, Sender: sender(func(ctx context.Context, _ *holdfast.Call) holdfast.Result {
				if c.late {
					<-over
				}
				<-ctx.Done()
				left <- ctx.Err()
				return holdfast.Result{Err: ctx.Err()}
			})})
			close(over)
			if err := <-left; err != context.Canceled || time.Since(start) != 0 {
				t.Errorf("%s: the attempt ended after %v with %v", name, time.Since(start), err)
			}
		})
	}
}

func TestTimesDoNotOverflow(t *testing.T) {
	for d, want := range map[time.Duration]time.Duration{
		1: time.Minute, time.Minute: 10 * time.Minute, never / 10: never / 10 * 10, never/10 + 1: never, 1 << 62: never, never: never,
	} {
		if got := slow(d); got != want {
			t.Errorf("slow(%d) is %d, want %d", d, got, want)
		}
	}
	for _, c := range [][3]time.Duration{{1, 2, 3}, {1, never, never}, {never, never, never}, {never - 1, 1, never}} {
		if got := plus(c[0], c[1]); got != c[2] {
			t.Errorf("plus(%d, %d) is %d, want %d", c[0], c[1], got, c[2])
		}
	}
}

// The context is asked from many goroutines while its call goes through all its
// phases.
func TestTheContextIsRaceFree(t *testing.T) {
	eachKind(t, func(t *testing.T, k kind) {
		for i := range 50 {
			var wg sync.WaitGroup
			var reply *ended
			call := k.call
			call.Record = new(holdfast.Record)
			if k.outer {
				call.Record.Claim()
			}
			call.Sender = sender(func(ctx context.Context, _ *holdfast.Call) holdfast.Result {
				for range 4 {
					wg.Go(func() {
						if i%2 == 0 {
							<-ctx.Done()
						}
						ctx.Deadline()
						ctx.Value(1)
						for ctx.Err() == nil {
							time.Sleep(time.Millisecond)
						}
					})
				}
				reply = new(ended)
				return holdfast.Result{Reply: reply, Class: holdfast.Success}
			})
			res := holdfast.Chain(New(Options{Limit: 50 * time.Millisecond, Idle: 10 * time.Millisecond}))(t.Context(), &call)
			if !k.call.Unary {
				wg.Go(func() { reply.Progress(true); time.Sleep(time.Millisecond); reply.Progress(false) })
				wg.Go(func() { time.Sleep(time.Duration(i) * time.Millisecond); res.Discard() })
			}
			wg.Wait()
		}
	})
}
