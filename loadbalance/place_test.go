package loadbalance_test

import (
	"context"
	"slices"
	"testing"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/hedge"
	"github.com/holdfast-go/holdfast/loadbalance"
	"github.com/holdfast-go/holdfast/retry"
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

// A Set inside a policy that repeats no failure moves a call that did not connect: nobody else
// would.
func TestASetMovesWhatNobodyRepeats(t *testing.T) {
	in(t, 3, loadbalance.RoundRobin, loadbalance.Options{}, func(t *testing.T, s *loadbalance.Set, _ holdfast.Handler) {
		for name, c := range map[string]struct {
			outer holdfast.Policy
			sends int
		}{
			"a retry of one attempt":   {retry.New(retry.Options{MaxAttempts: -1}), 3},
			"a hedge":                  {hedge.New(hedge.Options{}), 3},
			"a retry of two, at once ": {retry.New(retry.Options{MaxAttempts: 2, InitialInterval: -1}), 2},
		} {
			w := newWorld(func(context.Context, string, int) holdfast.Result { return dialed })
			call := &holdfast.Call{Target: "t", Repeatable: true, Sender: w}
			holdfast.Chain(c.outer, s)(t.Context(), call)
			if n := call.Record.Attempts(); n != c.sends || len(w.got) != c.sends {
				t.Errorf("inside %s: %d attempts at %v, want %d", name, n, w.got, c.sends)
			}
		}
	})
}

// A hedge that did not connect is a hedge at the next endpoint still.
func TestAHedgeThatMovesIsAHedge(t *testing.T) {
	in(t, 3, loadbalance.RoundRobin, loadbalance.Options{}, func(t *testing.T, _ *loadbalance.Set, h holdfast.Handler) {
		for _, hedge := range []bool{false, true} {
			var sent []bool
			call := &holdfast.Call{Target: "t", Repeatable: true, Hedge: hedge, Sender: seen(func(_ context.Context, call *holdfast.Call) holdfast.Result {
				sent = append(sent, call.Hedge)
				return dialed
			})}
			h(t.Context(), call)
			if !slices.Equal(sent, []bool{hedge, hedge, hedge}) {
				t.Errorf("a hedge: %v; it was sent as %v", hedge, sent)
			}
			for _, a := range call.Record.Ledger().Attempts {
				if a.Hedge != hedge {
					t.Errorf("a hedge: %v; the ledger has %v", hedge, call.Record.Ledger())
				}
			}
		}
	})
}

type seen func(ctx context.Context, call *holdfast.Call) holdfast.Result

func (f seen) Send(ctx context.Context, call *holdfast.Call) holdfast.Result { return f(ctx, call) }
