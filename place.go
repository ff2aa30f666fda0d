package holdfast

import (
	"context"
	"time"
)

// A Place says where in its chain a policy stands. Policies learn it when the chain is
// built. The zero Place is that of the outermost policy.
type Place struct {
	// Attempt: a policy further out may send a call several times, so that what passes
	// here is one sending. A time limit in such a place is an attempt's.
	Attempt bool
}

// A Placed policy asks where it stands: Chain calls WrapAt in the place of Wrap, which
// is WrapAt at the zero Place. A type that embeds one and has a Wrap of its own must have a
// WrapAt of its own, too.
type Placed interface {
	Policy
	WrapAt(at Place, next Handler) Handler
}

// Traits are what the other policies of a chain, and whoever checks its order, need to know
// of a policy. The zero Traits are those of a policy that says nothing of itself.
type Traits struct {
	Name     string        // for people: "retry", "hedge", "breaker"
	Retries  bool          // it may send a call again that has failed
	Hedges   bool          // it may send a call once more while it is under way
	Balances bool          // it chooses endpoints, and may try another one
	Breaks   bool          // it rejects calls to what is down
	Holds    bool          // it has a limited number of calls under way
	Limit    time.Duration // of the time of a call; 0: none
}

// Attempts reports whether what stands further in stands around an attempt.
func (t Traits) Attempts() bool { return t.Retries || t.Hedges || t.Balances }

// A Characterized policy tells its Traits. Chain asks once, when it is built: what it is
// told must hold for as long as the policy lives, but for the Limit.
type Characterized interface {
	Policy
	Traits() Traits
}

// A Group is a Policy that is made of others. Where it is Characterized too, its Traits are what
// it does besides.
type Group interface {
	Policy
	// Inside returns the policies at present, the outermost first.
	Inside() []Policy
}

// Wrap puts policies around next, the first one outermost, as Chain does, for a policy
// that is made of others and stands at a place. A nil one is skipped.
func (at Place) Wrap(next Handler, policies ...Policy) Handler {
	places := make([]Place, len(policies))
	for i, p := range policies {
		places[i] = at
		at = at.behind(p, 0)
	}
	for i := len(policies) - 1; i >= 0; i-- {
		switch p := policies[i].(type) {
		case nil:
			continue
		case Placed:
			next = p.WrapAt(places[i], next)
		default:
			next = p.Wrap(next)
		}
		if next == nil {
			err := wrapsNothing(i, policies[i])
			next = func(context.Context, *Call) Result { return Result{Err: err, Class: LocalFault, Code: CodeConfig} }
		}
	}
	return next
}

// maxDepth bounds groups within groups, of which one may contain itself.
const maxDepth = 8

// behind is the place right inside p.
func (at Place) behind(p Policy, depth int) Place {
	if c, ok := p.(Characterized); ok {
		at.Attempt = at.Attempt || c.Traits().Attempts()
	}
	if group, ok := p.(Group); ok && !at.Attempt && depth < maxDepth {
		for _, inner := range group.Inside() {
			at = at.behind(inner, depth+1)
		}
	}
	return at
}
