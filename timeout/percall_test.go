package timeout_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/timeout"
)

// A poll is a call that takes 150 ms where others have 300 ms in all, and 100 ms for an attempt.
func poll(ctx context.Context, call holdfast.Call) (res holdfast.Result, sent int) {
	call.Target, call.Sender = "a", send(func(ctx context.Context, call *holdfast.Call) holdfast.Result {
		sent++
		return takes(150*time.Millisecond)(ctx, call)
	})
	h := holdfast.Chain(timeout.New(timeout.Options{Limit: 300 * time.Millisecond}), repeat(3), timeout.New(timeout.Options{Limit: 100 * time.Millisecond}))
	return h(ctx, &call), sent
}

// What a call asks for takes the place of the limit around it as a whole, and around each of its
// attempts.
func TestACallMayAskForMoreTime(t *testing.T) {
	for name, c := range map[string]struct {
		ask  func(context.Context) context.Context
		sent int
		took time.Duration
	}{
		"nothing":                 {func(ctx context.Context) context.Context { return ctx }, 3, 300 * time.Millisecond},
		"more":                    {func(ctx context.Context) context.Context { return timeout.WithLimit(ctx, time.Second) }, 1, 150 * time.Millisecond},
		"no limit":                {func(ctx context.Context) context.Context { return timeout.WithLimit(ctx, -1) }, 1, 150 * time.Millisecond},
		"more for an attempt":     {func(ctx context.Context) context.Context { return timeout.WithAttemptLimit(ctx, 200*time.Millisecond) }, 1, 150 * time.Millisecond},
		"no limit for an attempt": {func(ctx context.Context) context.Context { return timeout.WithAttemptLimit(ctx, -1) }, 1, 150 * time.Millisecond},
		"zero":                    {func(ctx context.Context) context.Context { return timeout.WithLimit(ctx, 0) }, 3, 300 * time.Millisecond},
		"zero takes it back": {func(ctx context.Context) context.Context {
			return timeout.WithLimit(timeout.WithLimit(ctx, time.Second), 0)
		}, 3, 300 * time.Millisecond},
		"the innermost counts": {func(ctx context.Context) context.Context {
			return timeout.WithLimit(timeout.WithLimit(ctx, time.Millisecond), time.Second)
		}, 1, 150 * time.Millisecond},
		"more in all, and not for an attempt": {func(ctx context.Context) context.Context {
			return timeout.WithAttemptLimit(timeout.WithLimit(ctx, time.Second), 120*time.Millisecond)
		}, 3, 360 * time.Millisecond},
		"an attempt's own again": {func(ctx context.Context) context.Context {
			return timeout.WithAttemptLimit(timeout.WithLimit(ctx, 250*time.Millisecond), 0)
		}, 3, 250 * time.Millisecond},
		"less": {func(ctx context.Context) context.Context { return timeout.WithLimit(ctx, 20*time.Millisecond) }, 1, 20 * time.Millisecond},
	} {
		for kind, call := range map[string]holdfast.Call{"unary": {Unary: true}, "goes on": {}} {
			t.Run(name+", "+kind, func(t *testing.T) {
				bubble(t, c.took, func(t *testing.T) {
					res, sent := poll(c.ask(t.Context()), call)
					if sent != c.sent || (res.Err == nil) != (c.took == 150*time.Millisecond) {
						t.Errorf("%v after %d attempts, want %d", res.Err, sent, c.sent)
					}
					res.Discard()
				})
			})
		}
	}
}

// The caller's own deadline is never moved.
func TestALimitThatACallAsksForKeepsItsDeadline(t *testing.T) {
	bubble(t, 50*time.Millisecond, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		if res, sent := poll(timeout.WithLimit(ctx, time.Hour), holdfast.Call{Unary: true}); res.Err != context.DeadlineExceeded || sent != 1 {
			t.Errorf("%v after %d attempts", res.Err, sent)
		}
	})
}

// What goes on the wire, and what the error says, is what the call has asked for.
func TestALimitThatACallAsksForIsItsDeadline(t *testing.T) {
	bubble(t, 2*time.Second, func(t *testing.T) {
		ctx := timeout.WithAttemptLimit(timeout.WithLimit(t.Context(), 3*time.Second), 2*time.Second)
		call := holdfast.Call{Unary: true, Sender: send(func(ctx context.Context, call *holdfast.Call) holdfast.Result {
			if d, ok := ctx.Deadline(); !ok || time.Until(d) != 2*time.Second {
				t.Errorf("%v, %v on the wire", d, ok)
			}
			<-ctx.Done()
			if limit := holdfast.RanOut(call.Context(ctx)); limit == nil || limit.Limit != 2*time.Second || limit.Scope != "attempt" {
				t.Errorf("ended by %v", limit)
			}
			return failed(call.Context(ctx), ctx.Err())
		})}
		res := holdfast.Chain(timeout.New(timeout.Options{Limit: time.Second}), claim, timeout.New(timeout.Options{Limit: time.Second}))(ctx, &call)
		if res.Class != holdfast.Failure || res.Code != holdfast.CodeTimeout {
			t.Errorf("judged %v, %v, though the server had its time", res.Class, res.Code)
		}
	})
}

// A call that is made within another one does not have its limit: it is another call, and is made
// with a context of its own if it is to have one.
func TestACallWithinACallHasItsOwnLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		minute := timeout.New(timeout.Options{Limit: time.Minute})
		outer, inner := holdfast.Chain(minute), holdfast.Chain(minute, claim, timeout.New(timeout.Options{Limit: time.Second}))
		within := func(ask func(context.Context) context.Context) (took time.Duration) {
			_, err := holdfast.Do(timeout.WithLimit(t.Context(), time.Hour), outer, holdfast.Call{Target: "outer"}, func(ctx context.Context) (int, error) {
				begun := time.Now()
				_, err := holdfast.Do(ask(ctx), inner, holdfast.Call{Target: "inner"}, func(ctx context.Context) (int, error) {
					wait(ctx, 10*time.Minute)
					return 0, ctx.Err()
				})
				took = time.Since(begun)
				return 0, err
			})
			_ = err // how long it took says all
			return took
		}
		for name, c := range map[string]struct {
			ask  func(context.Context) context.Context
			want time.Duration
		}{
			"nothing":                 {func(ctx context.Context) context.Context { return ctx }, time.Second},
			"detached":                {context.WithoutCancel, time.Second},
			"its own":                 {func(ctx context.Context) context.Context { return timeout.WithLimit(ctx, 3*time.Second) }, 3 * time.Second},
			"an attempt's of its own": {func(ctx context.Context) context.Context { return timeout.WithAttemptLimit(ctx, 2*time.Second) }, 2 * time.Second},
			"not the outer one's":     {func(ctx context.Context) context.Context { return timeout.WithAttemptLimit(ctx, -1) }, time.Minute},
		} {
			if took := within(c.ask); took != c.want {
				t.Errorf("%s: the inner call took %v, want %v", name, took, c.want)
			}
		}
	})
}

// Idle limits that nobody named follow; what was named, or switched off, stays.
func TestTheIdleLimitOfACallThatAsksForMoreTime(t *testing.T) {
	for name, c := range map[string]struct {
		options timeout.Options
		asks    time.Duration
		want    time.Duration // 0: the reader goes first, after an hour
	}{
		"unnamed":             {timeout.Options{Limit: time.Second}, 10 * time.Second, 10 * time.Second},
		"unnamed, no limit":   {timeout.Options{Limit: time.Second}, -1, 0},
		"named":               {timeout.Options{Limit: time.Second, Idle: 2 * time.Second}, 10 * time.Second, 2 * time.Second},
		"named, no limit":     {timeout.Options{Limit: time.Second, Idle: 2 * time.Second}, -1, 2 * time.Second},
		"off":                 {timeout.Options{Limit: time.Second, Idle: -1}, 10 * time.Second, 0},
		"of a policy without": {timeout.Options{Limit: -1}, 10 * time.Second, 10 * time.Second},
	} {
		want := c.want
		if want == 0 {
			want = time.Hour
		}
		t.Run(name, func(t *testing.T) {
			bubble(t, want, func(t *testing.T) {
				b := open(t, timeout.WithLimit(t.Context(), c.asks), takes(0), claim, timeout.New(c.options))
				if err := b.read(time.Hour); (err == nil) != (c.want == 0) {
					t.Error(err)
				}
				b.Close()
			})
		})
	}
}

// What a limit covers is not the call's to say: a stream that goes on has a limit around the whole
// call with Streams alone, and until its first message around an attempt.
func TestAStreamMayAskForMoreTime(t *testing.T) {
	for _, whole := range []bool{false, true} {
		end := 24 * time.Hour
		if whole {
			end = time.Minute
		}
		bubble(t, end, func(t *testing.T) {
			ctx := timeout.WithLimit(t.Context(), time.Minute)
			policies := []holdfast.Policy{timeout.New(timeout.Options{Limit: time.Second, Streams: whole}), claim, timeout.New(timeout.Options{Limit: time.Second})}
			b, ok := stream(ctx, takes(30*time.Second), policies...).Reply.(*body)
			if !ok {
				t.Fatal("its first message had a second")
			}
			if err := b.read(24*time.Hour - 30*time.Second); (err != nil) != whole {
				t.Errorf("Streams %v: %v", whole, err)
			}
			b.Close()
		})
	}
	bubble(t, time.Minute, func(t *testing.T) {
		res := stream(timeout.WithLimit(t.Context(), time.Minute), takes(time.Hour), claim, timeout.New(timeout.Options{Limit: time.Second}))
		if res.Code != holdfast.CodeTimeout {
			t.Errorf("no first message: %+v", res)
		}
	})
}

// A limit that was asked for is no default, and not what other calls take.
func TestACallThatAsksForATimeHasIt(t *testing.T) {
	bubble(t, time.Minute, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		res := holdfast.Chain(timeout.New(timeout.Options{IfNone: true}))(timeout.WithLimit(ctx, time.Minute), &holdfast.Call{Sender: takes(2 * time.Hour)})
		if res.Code != holdfast.CodeTimeout {
			t.Errorf("IfNone: %+v", res)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		p := timeout.New(timeout.Options{Limit: time.Second, Adaptive: &timeout.Adaptive{MinSamples: 1, Window: 10 * time.Hour}})
		h := holdfast.Chain(p)
		for range 10 {
			h(t.Context(), &holdfast.Call{Target: "a", Unary: true, Sender: takes(20 * time.Millisecond)}).Discard()
		}
		time.Sleep(time.Hour) // a reading is kept for a while
		usual := p.Limit("a")
		if usual >= time.Second {
			t.Fatalf("nothing was learnt, this checks nothing: %v", usual)
		}
		for range 100 {
			if res := h(timeout.WithLimit(t.Context(), time.Minute), &holdfast.Call{Target: "a", Unary: true, Sender: takes(30 * time.Second)}); res.Err != nil {
				t.Fatalf("Adaptive: %v", res.Err)
			}
		}
		time.Sleep(time.Hour)
		if now := p.Limit("a"); now != usual {
			t.Errorf("the limit of others was %v and is %v, after calls that asked for their own", usual, now)
		}
	})
}

// MinAttempt is no more than half the limit that a call has asked for, as it is of the Options'.
func TestACallThatAsksForLessIsSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		h := holdfast.Chain(timeout.New(timeout.Options{MinAttempt: time.Second}))
		if res := h(ctx, &holdfast.Call{Unary: true, Sender: takes(time.Millisecond)}); res.Err == nil {
			t.Error("it was sent with 20 ms left, this checks nothing")
		}
		if res := h(timeout.WithLimit(ctx, 10*time.Millisecond), &holdfast.Call{Unary: true, Sender: takes(time.Millisecond)}); res.Err != nil {
			t.Error(res.Err)
		}
	})
}

// A Timeout that is off has what a call asks for, in its place; a nil one has nothing.
func TestATimeoutThatIsOffHasWhatACallAsksFor(t *testing.T) {
	for name, c := range map[string]struct {
		p    *timeout.Timeout
		want time.Duration
	}{
		"nil": {nil, time.Hour}, "zero": {new(timeout.Timeout), time.Second}, "off": {timeout.New(timeout.Options{Limit: -1}), time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, c.want, func(t *testing.T) {
				h := holdfast.Chain(c.p)
				h(timeout.WithLimit(t.Context(), time.Second), &holdfast.Call{Target: "a", Unary: true, Sender: takes(time.Hour)}).Discard()
			})
		})
	}
}

// Asking costs the context that asks, and nothing in the call.
func TestAskingForTimeCostsTheCallNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates; the ordinary run measures")
	}
	ctx := timeout.WithLimit(context.Background(), time.Hour)
	for _, c := range costs {
		if got := testing.AllocsPerRun(1000, cost(ctx, c.policies, c.call, false)) - testing.AllocsPerRun(1000, cost(ctx, nil, c.call, false)); got > max(c.quick, 1) {
			t.Errorf("%s: %v allocations, want %v at most", c.name, got, c.quick)
		}
	}
}
