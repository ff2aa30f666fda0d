package loadbalance_test

import (
	"context"
	"slices"
	"testing"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/loadbalance"
)

// thrice sends each call three times, and says that it does.
type thrice struct{}

func (thrice) Traits() holdfast.Traits { return holdfast.Traits{Name: "retry", Retries: true} }
func (thrice) Wrap(next holdfast.Handler) holdfast.Handler {
	return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
		mine := call.Record.Claim()
		res := next(ctx, call)
		for range 2 {
			if !mine {
				break
			}
			res.Discard()
			res = next(ctx, call.Again())
		}
		return res
	}
}

// Outside the policy that repeats calls a Set chooses once for all attempts, which are made;
// inside it chooses anew for each.
func TestASetKnowsWhetherItChoosesForAllAttempts(t *testing.T) {
	in(t, 3, loadbalance.RoundRobin, loadbalance.Options{}, func(t *testing.T, s *loadbalance.Set, _ holdfast.Handler) {
		for name, c := range map[string]struct {
			h    holdfast.Handler
			each []int
		}{
			"outside": {holdfast.Chain(s, thrice{}), []int{3}},
			"inside":  {holdfast.Chain(thrice{}, s), []int{1, 1, 1}},
		} {
			w := newWorld(func(ctx context.Context, _ string, _ int) holdfast.Result { return bad })
			w.call(t.Context(), c.h)
			var each []int
			for _, n := range w.got {
				each = append(each, n)
			}
			if !slices.Equal(each, c.each) {
				t.Errorf("%s: the endpoints got %v, want %v", name, w.got, c.each)
			}
		}
	})
}

// A Set does not keep a layer further in from repeating, nor does it move a call that another
// policy repeats.
func TestASetClaimsNoCall(t *testing.T) {
	in(t, 3, loadbalance.RoundRobin, loadbalance.Options{}, func(t *testing.T, s *loadbalance.Set, h holdfast.Handler) {
		claimed := false
		w := newWorld(func(context.Context, string, int) holdfast.Result { return dialed })
		h(t.Context(), &holdfast.Call{Target: "t", Repeatable: true, Sender: seen(func(ctx context.Context, call *holdfast.Call) holdfast.Result {
			claimed = claimed || call.Record.Claimed()
			return w.Send(ctx, call)
		})})
		if claimed || len(w.got) != 3 {
			t.Errorf("claimed: %v; asked %v, want all three, since nobody repeats the call", claimed, w.got)
		}
		w.reset()
		w.call(t.Context(), holdfast.Chain(s, thrice{})) // it moves what the policy further in gave up
		sent := 0
		for _, n := range w.got {
			sent += n
		}
		if len(w.got) != 3 || sent != 5 {
			t.Errorf("asked %v, want one three times and the others once", w.got)
		}
		w.reset()
		w.call(t.Context(), holdfast.Chain(thrice{}, s)) // it leaves it to the one further out
		if sent = 0; len(w.got) > 3 {
			t.Errorf("asked %v", w.got)
		}
		for _, n := range w.got {
			sent += n
		}
		if sent != 3 {
			t.Errorf("asked %v, want three in all", w.got)
		}
	})
}

type seen func(ctx context.Context, call *holdfast.Call) holdfast.Result

func (f seen) Send(ctx context.Context, call *holdfast.Call) holdfast.Result { return f(ctx, call) }
