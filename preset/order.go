package preset

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/holdfast-go/holdfast"
)

// Misplaced returns what is wrong with the order of policies, the outermost first,
// each with the reason and the fix, or nil: for those who put policies together by
// hand. It looks into groups, and goes by the Traits that policies tell of themselves; where a
// Config has routes it looks at each.
func Misplaced(policies ...holdfast.Policy) error {
	var o order
	o.addAll(policies, 0)
	if o.last.Retries {
		o.bad("retry without a timeout further in: an attempt that hangs takes the time of all; add timeout.New for each attempt as the innermost policy")
	}
	return errors.Join(o.wrong...)
}

// An order is what is known of the policies so far, from the outermost on.
type order struct {
	wrong           []error
	retries, hedges bool
	guarded         bool            // by a breaker, outside retry or hedge
	balanced        bool            // by a balancer, outside retry or hedge
	limit           time.Duration   // the nearest one further out; 0: none
	last            holdfast.Traits // of the latest that makes attempts, since that limit
}

func (o *order) bad(format string, args ...any) {
	o.wrong = append(o.wrong, fmt.Errorf("preset: "+format, args...))
}

func (o *order) addAll(policies []holdfast.Policy, depth int) {
	for _, p := range policies {
		if r, ok := p.(refused); ok {
			o.wrong = append(o.wrong, r.why)
		}
		if c, ok := p.(holdfast.Characterized); ok {
			o.add(c.Traits())
		}
		if routed, ok := p.(*routed); ok {
			o.addEach(routed.chains())
		} else if group, ok := p.(holdfast.Group); ok && depth < maxDepth {
			o.addAll(group.Inside(), depth+1)
		}
	}
}

// addEach adds chains of which a call takes one. What is so after one of them is so for what
// stands further in.
func (o *order) addEach(chains [][]holdfast.Policy) {
	before := *o
	for i, chain := range chains {
		one := before
		one.wrong = nil
		one.addAll(chain, 0)
		for _, err := range one.wrong {
			if !slices.ContainsFunc(o.wrong, func(known error) bool { return known.Error() == err.Error() }) {
				o.wrong = append(o.wrong, err)
			}
		}
		o.retries, o.hedges = o.retries || one.retries, o.hedges || one.hedges
		o.guarded, o.balanced = o.guarded || one.guarded, o.balanced || one.balanced
		if i == 0 || one.last.Retries { // with no limit of an attempt
			o.limit, o.last = one.limit, one.last
		}
	}
}

func (o *order) add(t holdfast.Traits) {
	if t.Retries {
		switch {
		case o.retries:
			o.bad("a second retry repeats nothing, since only the outermost does: remove one")
		case o.hedges:
			o.bad("retry inside hedge: each hedge would be repeated on its own; retry inside a hedge therefore sends once: put retry outside hedge")
		}
		if o.guarded {
			o.bad("breaker outside retry: it sees the call as a whole, so that an outage opens it late and a retry that saved the call hides its failures: put it inside retry")
		}
	}
	if t.Hedges && o.hedges {
		o.bad("a second hedge sends nothing: remove one")
	}
	if (t.Retries || t.Hedges) && o.balanced {
		o.bad("a balancer outside %s: it chooses once for the call, so that all attempts go to one endpoint: put it inside", t.Name)
	}
	if t.Holds && (o.retries || o.hedges) {
		o.bad("calls in flight limited inside retry: a call that waits to be repeated holds no place, so that more calls are under way than the limit says: put it outside retry")
	}
	o.retries, o.hedges = o.retries || t.Retries, o.hedges || t.Hedges
	o.guarded = o.guarded || t.Breaks
	o.balanced = o.balanced || t.Balances
	switch {
	case t.Limit > 0:
		if o.limit > 0 && !o.last.Attempts() {
			o.bad("two timeouts with neither retry nor hedge between them, %v and %v: only the shorter one counts; remove the other", o.limit, t.Limit)
		}
		if o.limit > 0 && t.Limit > o.limit {
			o.bad("a timeout of %v inside one of %v: it can never run out; lower it", t.Limit, o.limit)
		}
		o.limit, o.last = t.Limit, holdfast.Traits{}
	case t.Retries || t.Hedges:
		o.last = t
	}
}
