package hedge_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/hedge"
)

// A slow budget takes its time.
type slow struct{ refunded int }

func (*slow) Withdraw(string) bool { time.Sleep(time.Second); return true }
func (s *slow) Refund(string)      { s.refunded++ }

// hearing listens to a call.
func hearing(f func(holdfast.Event)) holdfast.Policy {
	listener := holdfast.NewListener(func(_ context.Context, e holdfast.Event) { f(e) })
	return holdfast.PolicyFunc(func(next holdfast.Handler) holdfast.Handler {
		return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
			call.Record.Listen(listener)
			return next(ctx, call)
		}
	})
}

// A hedge that is not sent, since the call was answered as it was due, is not told.
func TestAHedgeThatIsNotSentIsNotTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		budget := new(slow)
		h := fixed(hedge.Options{Budget: budget, OnHedge: func(_ context.Context, e holdfast.Event) { t.Errorf("%+v", e) }})
		heard := hearing(func(e holdfast.Event) { t.Errorf("%+v", e) })
		if n, _, err := do(t, get, holdfast.Chain(heard, h), attempt{20 * time.Millisecond, nil}, attempt{0, nil}); n != 1 || err != nil || budget.refunded != 1 {
			t.Errorf("attempt %d, %v, %d refunded", n, err, budget.refunded)
		}
	})
}

// A callback that panics keeps no listener from being told.
func TestACallbackThatPanicsStopsNoListener(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var kinds []string
		h := fixed(hedge.Options{OnHedge: func(context.Context, holdfast.Event) { panic("mine") }})
		defer func() {
			if recover() == nil || len(kinds) != 1 || kinds[0] != "hedge" {
				t.Errorf("%q were heard", kinds)
			}
		}()
		_, _, _ = do(t, get, holdfast.Chain(hearing(func(e holdfast.Event) { kinds = append(kinds, e.Kind) }), h), attempt{20 * time.Millisecond, nil}, attempt{0, nil})
	})
}
