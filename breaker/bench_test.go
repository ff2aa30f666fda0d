package breaker_test

import (
	"context"
	"testing"

	"github.com/sony/gobreaker/v2"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/breaker"
)

// The way of a call that goes well, and the same through gobreaker alone.
func BenchmarkClosed(b *testing.B) {
	next := func(context.Context, *holdfast.Call) holdfast.Result { return good }
	for name, h := range map[string]holdfast.Handler{
		"bare": next, "breaker": breaker.New(breaker.Options{}).Wrap(next), "gobreaker": alone(next),
	} {
		call := func() *holdfast.Call { return &holdfast.Call{Target: "t", Unary: true, Record: new(holdfast.Record)} }
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			c := call()
			for b.Loop() {
				h(context.Background(), c)
			}
		})
		b.Run(name+"/parallel", func(b *testing.B) {
			b.RunParallel(func(pb *testing.PB) {
				for c := call(); pb.Next(); {
					h(context.Background(), c)
				}
			})
		})
	}
}

func alone(next holdfast.Handler) holdfast.Handler {
	cb := gobreaker.NewCircuitBreaker[holdfast.Result](gobreaker.Settings{})
	return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
		res, _ := cb.Execute(func() (holdfast.Result, error) { return next(ctx, call), nil })
		return res
	}
}
