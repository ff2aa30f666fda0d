package timeout_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
)

var errBoom = errors.New("boom")

// A send is a transport of one function.
type send func(ctx context.Context, call *holdfast.Call) holdfast.Result

func (f send) Send(ctx context.Context, call *holdfast.Call) holdfast.Result { return f(ctx, call) }

// failed is the Result of an attempt that ended in err, as a door makes it.
func failed(ctx context.Context, err error) holdfast.Result {
	v := holdfast.VerdictOf(ctx, err)
	return holdfast.Result{Err: err, Class: v.Class, Code: v.Code}
}

// takes is a transport whose answer, which has a body, begins after d.
func takes(d time.Duration) send {
	return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
		ctx = call.Context(ctx)
		if !wait(ctx, d) {
			return failed(ctx, ctx.Err())
		}
		return holdfast.Result{Reply: &body{ctx: ctx}, Class: holdfast.Success, Code: "200"}
	}
}

// wait reports whether d went by before ctx ended.
func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// A body is a Reply that goes on after its Result.
type body struct {
	holdfast.Ending
	ctx context.Context
	end holdfast.End
}

// read waits for the server for d, and returns how the body broke off.
func (b *body) read(d time.Duration) error {
	b.Progress(true)
	if !wait(b.ctx, d) {
		err := b.ctx.Err()
		v := holdfast.VerdictOf(b.ctx, err)
		b.finish(holdfast.End{Class: v.Class, Code: v.Code, Err: err})
		return err
	}
	b.Progress(false)
	return nil
}

func (b *body) finish(end holdfast.End) {
	if b.Finish(end) {
		b.end = end
	}
}

func (b *body) Close()   { b.finish(holdfast.End{Class: holdfast.Success, Code: "200"}) }
func (b *body) Discard() { b.Close() }

// ended is how far the context of the body has come.
func (b *body) ended() error { return b.ctx.Err() }

// over is a Reply with nothing to be read: it is done when it is there.
func over(context.Context, *holdfast.Call) holdfast.Result {
	r := new(body)
	r.Close()
	return holdfast.Result{Reply: r, Class: holdfast.Success, Code: "200"}
}

// claim stands for a policy that repeats calls: what is inside it is an attempt.
var claim = holdfast.PolicyFunc(func(next holdfast.Handler) holdfast.Handler {
	return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
		call.Record.Claim()
		return next(ctx, call)
	}
})

// repeat sends a call up to n times, while the context lives and it failed.
func repeat(n int) holdfast.Policy {
	return holdfast.PolicyFunc(func(next holdfast.Handler) holdfast.Handler {
		return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
			call.Record.Claim()
			res := next(ctx, call)
			for i := 1; i < n && res.Class == holdfast.Failure && ctx.Err() == nil; i++ {
				res.Discard()
				res = next(ctx, call.Again())
			}
			return res
		}
	})
}

// bubble runs f in virtual time, which ends only when every goroutine has, and
// checks that the time f took is exactly want.
func bubble(t *testing.T, want time.Duration, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		f(t)
		if got := time.Since(start); got != want {
			t.Errorf("took %v, want exactly %v", got, want)
		}
	})
}

// open sends one HTTP-like call and returns its body.
func open(t *testing.T, ctx context.Context, sender send, policies ...holdfast.Policy) *body {
	t.Helper()
	res := holdfast.Chain(policies...)(ctx, &holdfast.Call{Target: "a", Sender: sender})
	if res.Err != nil {
		t.Fatalf("no answer: %v", res.Err)
	}
	return res.Reply.(*body)
}
