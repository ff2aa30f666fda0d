package timeout_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/hedge"
	"github.com/holdfast-go/holdfast/timeout"
)

// The limit that ran out is named, whichever it is.
func TestAnAnswerThatComesWithTheLimitOutside(t *testing.T) {
	for _, o := range []timeout.Options{
		{Limit: 500 * time.Millisecond, Idle: 50 * time.Millisecond}, {Limit: -1, Idle: 50 * time.Millisecond}, {Limit: 100 * time.Millisecond, Idle: 50 * time.Millisecond, IfNone: true},
	} {
		bubble(t, 200*time.Millisecond, func(t *testing.T) {
			res := holdfast.Chain(timeout.New(timeout.Options{Limit: 200 * time.Millisecond}), claim, timeout.New(o))(t.Context(), &holdfast.Call{Sender: send(func(ctx context.Context, call *holdfast.Call) holdfast.Result {
				<-ctx.Done()
				return holdfast.Result{Reply: &body{ctx: call.Context(ctx)}, Class: holdfast.Success}
			})})
			var limit *holdfast.TimeoutError
			if !errors.As(res.Err, &limit) || limit.Limit != 200*time.Millisecond || limit.Scope != "call" || res.Code != holdfast.CodeTimeout {
				t.Errorf("%+v: got %+v", o, res)
			}
		})
	}
}

// Within a hedge, too, the context of an attempt ends as the limit outside does.
func TestTheLimitOutsideAHedge(t *testing.T) {
	for _, unary := range []bool{true, false} {
		bubble(t, time.Second, func(t *testing.T) {
			h := holdfast.Chain(timeout.New(timeout.Options{Limit: time.Second}), hedge.New(hedge.Options{Delay: 900 * time.Millisecond}))
			h(t.Context(), &holdfast.Call{Target: "t", Unary: unary, Repeatable: true, Sender: send(func(ctx context.Context, call *holdfast.Call) holdfast.Result {
				<-ctx.Done()
				if ctx.Err() != context.DeadlineExceeded {
					t.Errorf("unary: %v: %v", unary, ctx.Err())
				}
				return failed(ctx, ctx.Err())
			})})
		})
	}
}
