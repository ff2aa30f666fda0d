package retry_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/retry"
)

// A callback that panics keeps nobody else from being told.
func TestACallbackThatPanicsStopsNoListener(t *testing.T) {
	panics := func(context.Context, holdfast.Event) { panic("mine") }
	for kind, o := range map[string]retry.Options{"retry": {OnRetry: panics}, "retry_stopped": {OnStop: panics}} {
		synctest.Test(t, func(t *testing.T) {
			var told []string
			l := holdfast.NewListener(func(_ context.Context, e holdfast.Event) { told = append(told, e.Kind) })
			hears := holdfast.PolicyFunc(func(next holdfast.Handler) holdfast.Handler {
				return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
					call.Record.Listen(l)
					return next(ctx, call)
				}
			})
			func() {
				defer func() {
					if recover() == nil {
						t.Error("the panic was swallowed")
					}
				}()
				_, _ = holdfast.Do(t.Context(), holdfast.Chain(hears, retry.New(o)), holdfast.Call{Target: "t", Repeatable: true}, func(context.Context) (int, error) {
					return 0, errors.New("x")
				})
			}()
			if !slices.Contains(told, kind) {
				t.Errorf("told of %v, want %s", told, kind)
			}
		})
	}
}
