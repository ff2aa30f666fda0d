package timeout_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/timeout"
)

// T06: the attempt's context ends only when the body is closed or at its end:
// 50 MB that keep coming, for far longer than the limit, are read.
func TestT06_ALargeBodyIsReadToItsEnd(t *testing.T) {
	const chunk, size = 32 << 10, 50 << 20
	bubble(t, size/chunk*400*time.Millisecond, func(t *testing.T) {
		b := open(t, t.Context(), takes(0), claim, timeout.New(timeout.Options{Limit: 500 * time.Millisecond}))
		for n := 0; n < size; n += chunk {
			if err := b.read(400 * time.Millisecond); err != nil {
				t.Fatalf("cut after %d bytes: %v", n, err)
			}
		}
		if _, ok := b.ctx.Deadline(); ok {
			t.Error("the attempt's deadline is still there after the answer")
		}
		if b.ended() != nil {
			t.Fatal("the context ended before the body")
		}
		b.Close()
		if b.ended() != context.Canceled {
			t.Error("the context outlives the body")
		}
	})
}

// T07: a caller who neither reads nor closes gets the connection back in time,
// and the server is not blamed for it.
func TestT07_AForgottenBodyIsLetGo(t *testing.T) {
	for name, c := range map[string]struct {
		policies []holdfast.Policy
		want     time.Duration
		class    holdfast.Class
	}{
		"attempt":              {[]holdfast.Policy{claim, timeout.New(timeout.Options{Limit: 500 * time.Millisecond})}, 700 * time.Millisecond, holdfast.Ignored},
		"attempt, idle":        {[]holdfast.Policy{claim, timeout.New(timeout.Options{Limit: time.Second, Idle: 100 * time.Millisecond})}, 300 * time.Millisecond, holdfast.Ignored},
		"attempt, longer idle": {[]holdfast.Policy{claim, timeout.New(timeout.Options{Limit: time.Second, Idle: 3 * time.Second})}, 3200 * time.Millisecond, holdfast.Ignored},
		"no limit but idle":    {[]holdfast.Policy{claim, timeout.New(timeout.Options{Limit: -1, Idle: time.Second})}, 1200 * time.Millisecond, holdfast.Ignored},
		"whole":                {[]holdfast.Policy{timeout.New(timeout.Options{Limit: 2 * time.Second})}, 2 * time.Second, holdfast.Failure},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, c.want, func(t *testing.T) {
				b := open(t, t.Context(), takes(200*time.Millisecond), c.policies...)
				<-b.ctx.Done()
				if got := holdfast.VerdictOf(b.ctx, b.ctx.Err()).Class; got != c.class {
					t.Errorf("class %v, want %v (%v)", got, c.class, context.Cause(b.ctx))
				}
				b.Close()
			})
		})
	}
}

// T08: a limit around the whole call covers the body; one around an attempt
// fires when nothing arrives for its length.
func TestT08_TheWholeLimitCoversTheBody(t *testing.T) {
	bubble(t, 2*time.Second, func(t *testing.T) {
		b := open(t, t.Context(), takes(500*time.Millisecond), timeout.New(timeout.Options{Limit: 2 * time.Second}))
		var err error
		for err == nil {
			err = b.read(100 * time.Millisecond)
		}
		var limit *holdfast.TimeoutError
		if err != context.DeadlineExceeded || !errors.As(context.Cause(b.ctx), &limit) || limit.Scope != "call" {
			t.Errorf("broke off with %v (%v), want the call's limit", err, context.Cause(b.ctx))
		}
		if b.end.Class != holdfast.Failure || b.end.Code != "timeout" {
			t.Errorf("end %+v, want a Failure", b.end)
		}
	})
}

func TestT08_AStalledBodyIsCut(t *testing.T) {
	for name, c := range map[string]struct {
		o    timeout.Options
		idle time.Duration
	}{
		"as long as the limit":  {timeout.Options{Limit: 500 * time.Millisecond}, 500 * time.Millisecond},
		"shorter than it":       {timeout.Options{Limit: 500 * time.Millisecond, Idle: 150 * time.Millisecond}, 150 * time.Millisecond},
		"longer than it":        {timeout.Options{Limit: 500 * time.Millisecond, Idle: 7 * time.Second}, 7 * time.Second},
		"without any":           {timeout.Options{Limit: -1, Idle: 7 * time.Second}, 7 * time.Second},
		"beside an adaptive":    {timeout.Options{Limit: 500 * time.Millisecond, Adaptive: &timeout.Adaptive{}}, 500 * time.Millisecond},
		"very short":            {timeout.Options{Limit: time.Minute, Idle: time.Millisecond}, time.Millisecond},
		"with a floor and more": {timeout.Options{Limit: time.Second, Idle: time.Second, MinAttempt: time.Second}, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			const steps = 20
			bubble(t, 100*time.Millisecond+steps*c.idle*9/10+c.idle, func(t *testing.T) {
				b := open(t, t.Context(), takes(100*time.Millisecond), claim, timeout.New(c.o))
				for range steps {
					if err := b.read(c.idle * 9 / 10); err != nil {
						t.Fatal(err)
					}
				}
				if err := b.read(time.Hour); err != context.DeadlineExceeded {
					t.Errorf("broke off with %v, want a deadline", err)
				}
				var limit *holdfast.TimeoutError
				if !errors.As(context.Cause(b.ctx), &limit) || limit.Limit != c.idle || limit.Scope != "idle" {
					t.Errorf("cause %v", context.Cause(b.ctx))
				}
				if b.end.Class != holdfast.Failure || b.end.Code != "timeout" {
					t.Errorf("end %+v, want a Failure", b.end)
				}
			})
		})
	}
}

// A server that had the idle limit has failed, also where that is far less than
// a second and the attempt's limit is not.
func TestAStallRightAfterTheAnswerIsAFailure(t *testing.T) {
	bubble(t, 50*time.Millisecond, func(t *testing.T) {
		b := open(t, t.Context(), takes(0), claim, timeout.New(timeout.Options{Limit: time.Minute, Idle: 50 * time.Millisecond}))
		if b.read(time.Hour); b.end.Class != holdfast.Failure {
			t.Errorf("end %+v, want a Failure", b.end)
		}
	})
}

func TestASlowReaderIsNotTheServersFault(t *testing.T) {
	for name, c := range map[string]struct{ idle, rest time.Duration }{
		"short idle limit": {200 * time.Millisecond, time.Minute},
		"long idle limit":  {20 * time.Second, 200 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, 5*(c.rest-1)+c.rest, func(t *testing.T) {
				b := open(t, t.Context(), takes(0), claim, timeout.New(timeout.Options{Limit: c.idle}))
				for range 5 { // within what it has
					if err := b.read(0); err != nil {
						t.Fatal(err)
					}
					time.Sleep(c.rest - 1)
				}
				if err := b.read(0); err != nil {
					t.Fatal(err)
				}
				<-b.ctx.Done() // beyond it
				if class := holdfast.VerdictOf(b.ctx, b.ctx.Err()).Class; class != holdfast.Ignored {
					t.Errorf("class %v (%v), want ignored", class, context.Cause(b.ctx))
				}
				if cause := context.Cause(b.ctx); errors.Is(cause, context.DeadlineExceeded) {
					t.Errorf("cause %v reads as a server's deadline", cause)
				}
				b.Close()
			})
		})
	}
}

// The wait after a rest has the idle limit, from when it began.
func TestAStallAfterARestIsCutInTime(t *testing.T) {
	bubble(t, 300*time.Millisecond+37*time.Second+500*time.Millisecond, func(t *testing.T) {
		b := open(t, t.Context(), takes(0), claim, timeout.New(timeout.Options{Limit: 500 * time.Millisecond}))
		if err := b.read(300 * time.Millisecond); err != nil {
			t.Fatal(err)
		}
		time.Sleep(37 * time.Second) // the timer runs meanwhile, and is set far away
		if b.read(time.Hour); b.end.Code != "timeout" {
			t.Errorf("end %+v", b.end)
		}
	})
}

func TestIdleOffLeavesTheBodyAlone(t *testing.T) {
	bubble(t, 24*time.Hour, func(t *testing.T) {
		b := open(t, t.Context(), takes(0), claim, timeout.New(timeout.Options{Limit: time.Second, Idle: -1}))
		if err := b.read(24 * time.Hour); err != nil {
			t.Error(err)
		}
		b.Close()
	})
}

func TestAWholeLimitWithAnIdleOne(t *testing.T) {
	both := timeout.New(timeout.Options{Limit: 10 * time.Second, Idle: time.Second})
	bubble(t, 5*time.Second, func(t *testing.T) { // it stalls
		b := open(t, t.Context(), takes(4*time.Second), both)
		if d, ok := b.ctx.Deadline(); !ok || time.Until(d) != 6*time.Second {
			t.Error("the deadline of the whole call is gone after the answer")
		}
		if b.read(time.Hour); context.Cause(b.ctx).Error() != "holdfast: nothing arrived for 1s" {
			t.Error(context.Cause(b.ctx))
		}
	})
	bubble(t, 10*time.Second, func(t *testing.T) { // it lasts
		b := open(t, t.Context(), takes(4*time.Second), both)
		for b.read(700*time.Millisecond) == nil {
		}
		if context.Cause(b.ctx).Error() != "holdfast: call timed out after 10s" || b.end.Code != "timeout" {
			t.Errorf("%v, %+v", context.Cause(b.ctx), b.end)
		}
	})
	bubble(t, 10*time.Second, func(t *testing.T) { // it does not come
		res := holdfast.Chain(both)(t.Context(), &holdfast.Call{Sender: takes(time.Hour)})
		if res.Code != "timeout" || res.Class != holdfast.Failure {
			t.Errorf("got %+v", res)
		}
	})
}

func TestAnAttemptsLimitInsideAWholeOne(t *testing.T) {
	policies := []holdfast.Policy{timeout.New(timeout.Options{Limit: 3 * time.Second}), repeat(3), timeout.New(timeout.Options{Limit: time.Second})}
	var sends int
	second := func(ctx context.Context, call *holdfast.Call) holdfast.Result {
		if sends++; sends == 1 {
			return takes(time.Hour)(ctx, call)
		}
		return takes(500*time.Millisecond)(ctx, call)
	}
	bubble(t, 3*time.Second, func(t *testing.T) { // 1 s cut, 0.5 s, then a body that is cut by the whole limit
		sends = 0
		b := open(t, t.Context(), second, policies...)
		for b.read(400*time.Millisecond) == nil {
		}
		if got := context.Cause(b.ctx).Error(); got != "holdfast: call timed out after 3s" || b.end.Code != "timeout" {
			t.Errorf("%q, %+v", got, b.end)
		}
		if b.ended() != context.DeadlineExceeded {
			t.Errorf("the attempt's context ended with %v", b.ended())
		}
	})
	bubble(t, 2500*time.Millisecond, func(t *testing.T) { // the same, stalled: the attempt's idle limit
		sends = 0
		b := open(t, t.Context(), second, policies...)
		if b.read(time.Hour); context.Cause(b.ctx).Error() != "holdfast: nothing arrived for 1s" {
			t.Error(context.Cause(b.ctx))
		}
	})
}

func TestALimitInsideAnAttemptsLimit(t *testing.T) {
	bubble(t, 20*time.Second, func(t *testing.T) { // the outer attempt limit ends at the answer too
		b := open(t, t.Context(), takes(0), claim, timeout.New(timeout.Options{Limit: 2 * time.Second}), timeout.New(timeout.Options{Limit: time.Second}))
		for range 20 {
			if err := b.read(time.Second - 1); err != nil {
				t.Fatal(err)
			}
			time.Sleep(1)
		}
		b.Close()
	})
}

func TestTheCallersDeadlineCoversTheBody(t *testing.T) {
	for _, outer := range []holdfast.Policy{nil, claim} {
		bubble(t, 800*time.Millisecond, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 800*time.Millisecond)
			defer cancel()
			b := open(t, ctx, takes(0), outer, timeout.New(timeout.Options{Limit: time.Second}))
			for b.read(300*time.Millisecond) == nil {
			}
			if b.end.Code != "deadline" {
				t.Errorf("end %+v, want the caller's deadline", b.end)
			}
		})
	}
	bubble(t, 600*time.Millisecond, func(t *testing.T) { // an idle limit that is shorter still holds
		ctx, cancel := context.WithTimeout(t.Context(), 800*time.Millisecond)
		defer cancel()
		b := open(t, ctx, takes(200*time.Millisecond), claim, timeout.New(timeout.Options{Limit: time.Second, Idle: 400 * time.Millisecond}))
		if b.read(time.Hour); b.end.Code != "timeout" {
			t.Errorf("end %+v, want our idle limit", b.end)
		}
	})
}

func TestTheCallersCancelReachesTheBody(t *testing.T) {
	bubble(t, 100*time.Millisecond, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		b := open(t, ctx, takes(0), timeout.New(timeout.Options{Limit: 10 * time.Second}), claim, timeout.New(timeout.Options{Limit: time.Second}))
		time.AfterFunc(100*time.Millisecond, func() { cancel(errBoom) })
		if err := b.read(time.Hour); err != context.Canceled || b.end.Class != holdfast.Ignored {
			t.Errorf("%v, %+v; want the cancel, ignored", err, b.end)
		}
		if context.Cause(b.ctx) != errBoom {
			t.Errorf("cause %v, want the caller's", context.Cause(b.ctx))
		}
	})
}

// An answer that comes at the moment its limit runs out is not handed out with
// a body that is cut off already.
func TestAnAnswerThatComesWithItsLimitIsATimeout(t *testing.T) {
	bubble(t, time.Second, func(t *testing.T) {
		var late *body
		res := holdfast.Chain(claim, timeout.New(timeout.Options{Limit: time.Second}))(t.Context(), &holdfast.Call{Sender: send(func(ctx context.Context, call *holdfast.Call) holdfast.Result {
			<-ctx.Done()
			late = &body{ctx: call.Context(ctx)}
			return holdfast.Result{Reply: late, Class: holdfast.Success, Code: "200"}
		})})
		var limit *holdfast.TimeoutError
		if res.Reply != nil || !errors.As(res.Err, &limit) || res.Class != holdfast.Failure || res.Code != "timeout" {
			t.Errorf("got %+v, want a timeout", res)
		}
		if !late.Finished() {
			t.Error("the answer that nobody gets was not discarded")
		}
	})
	bubble(t, time.Second, func(t *testing.T) { // with nothing left to read it is an answer
		res := holdfast.Chain(claim, timeout.New(timeout.Options{Limit: time.Second}))(t.Context(), &holdfast.Call{Sender: send(func(ctx context.Context, call *holdfast.Call) holdfast.Result {
			<-ctx.Done()
			return over(ctx, call)
		})})
		if res.Err != nil {
			t.Errorf("got %+v", res)
		}
	})
	bubble(t, time.Second, func(t *testing.T) { // one that waited in the chain was not given its time
		res := holdfast.Chain(claim, timeout.New(timeout.Options{Limit: time.Second}), late(900*time.Millisecond))(t.Context(), &holdfast.Call{Sender: send(func(ctx context.Context, call *holdfast.Call) holdfast.Result {
			<-ctx.Done()
			return holdfast.Result{Reply: &body{ctx: ctx}, Class: holdfast.Success}
		})})
		if res.Err == nil || res.Class != holdfast.Ignored {
			t.Errorf("got %+v", res)
		}
	})
}

// A body may be closed, read and cut at once.
func TestEndingsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := holdfast.Chain(claim, timeout.New(timeout.Options{Limit: time.Second}))
		var wg sync.WaitGroup
		for range 100 { // more at once are more than the race detector can count
			wg.Go(func() {
				b := h(t.Context(), &holdfast.Call{Sender: takes(0)}).Reply.(*body)
				wg.Go(func() { b.read(time.Second) })
				wg.Go(func() { time.Sleep(time.Second); b.Discard() })
				wg.Go(func() { time.Sleep(time.Second); b.ctx.Err(); b.ctx.Deadline() })
			})
		}
		wg.Wait()
	})
}
