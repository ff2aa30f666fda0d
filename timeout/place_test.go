package timeout_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/holdfasttest"
	"github.com/holdfast-go/holdfast/timeout"
)

// making is a policy that makes attempts, and does nothing else.
type making holdfast.Traits

func (m making) Traits() holdfast.Traits                     { return holdfast.Traits(m) }
func (m making) Wrap(next holdfast.Handler) holdfast.Handler { return next }

// Outside whatever makes attempts each limit is around the whole call, to the end of its
// answer, and not the first one alone; further in it is around an attempt.
func TestALimitKnowsWhetherItIsAroundTheWholeCall(t *testing.T) {
	second, minute := timeout.New(timeout.Options{Limit: time.Second}), timeout.New(timeout.Options{Limit: time.Minute})
	for name, c := range map[string]struct {
		policies []holdfast.Policy
		whole    bool
	}{
		"alone":                        {[]holdfast.Policy{second}, true},
		"the second outside":           {[]holdfast.Policy{minute, second, making{Retries: true}}, true},
		"the first of two outside":     {[]holdfast.Policy{second, minute, making{Retries: true}}, true},
		"inside retry":                 {[]holdfast.Policy{making{Retries: true}, second}, false},
		"inside a hedge":               {[]holdfast.Policy{minute, making{Hedges: true}, second}, false},
		"inside a balancer":            {[]holdfast.Policy{making{Balances: true}, second}, false},
		"inside one that says nothing": {[]holdfast.Policy{claim, second}, false},
		"inside neither":               {[]holdfast.Policy{making{Breaks: true, Holds: true}, second}, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &holdfasttest.Script{Steps: []holdfasttest.Step{{Open: true}}}
				reply, ok := s.Do(t.Context(), holdfast.Chain(c.policies...), holdfast.Call{Target: "t"}).Reply.(*holdfasttest.Reply)
				if !ok {
					t.Fatal("no answer")
				}
				cut := false
				for range 6 { // a body that keeps coming, for 3 s in all
					cut = cut || reply.Wait(500*time.Millisecond) != nil
				}
				if cut != c.whole {
					t.Errorf("the answer was cut: %v, want %v", cut, c.whole)
				}
				reply.Finish(reply.End(nil))
			})
		})
	}
}
