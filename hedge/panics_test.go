package hedge_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/hedge"
)

// A callback that panics keeps nobody else from being told, and surfaces at the caller.
func TestACallbackThatPanicsStopsNoListener(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var told []string
		l := holdfast.NewListener(func(_ context.Context, e holdfast.Event) {
			mu.Lock()
			defer mu.Unlock()
			told = append(told, e.Kind)
		})
		hears := holdfast.PolicyFunc(func(next holdfast.Handler) holdfast.Handler {
			return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
				call.Record.Listen(l)
				return next(ctx, call)
			}
		})
		h := hedge.New(hedge.Options{Delay: time.Millisecond, Share: 1, OnHedge: func(context.Context, holdfast.Event) { panic("mine") }})
		func() {
			defer func() {
				if recover() == nil {
					t.Error("the panic was swallowed")
				}
			}()
			_, _ = holdfast.Do(t.Context(), holdfast.Chain(hears, h), holdfast.Call{Target: "t", Repeatable: true}, func(context.Context) (int, error) {
				time.Sleep(time.Second)
				return 1, nil
			})
		}()
		if !slices.Contains(told, "hedge") {
			t.Errorf("told of %v", told)
		}
	})
}
