package preset

import (
	"errors"
	"fmt"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/breaker"
	"github.com/holdfast-go/holdfast/hedge"
	"github.com/holdfast-go/holdfast/limit"
	"github.com/holdfast-go/holdfast/retry"
	"github.com/holdfast-go/holdfast/timeout"
)

// Misplaced returns what is wrong with the order of policies, the outermost first,
// each with the reason and the fix, or nil: for those who put policies together by
// hand. It looks into Stacks, and knows holdfast's own policies alone.
func Misplaced(policies ...holdfast.Policy) error {
	var wrong []error
	bad := func(format string, args ...any) { wrong = append(wrong, fmt.Errorf("preset: "+format, args...)) }
	repeats, hedges, limits := 0, 0, 0
	guarded := false           // by a breaker, outside retry or hedge
	var outer *timeout.Timeout // the nearest limit further out
	var last holdfast.Policy   // the latest that may repeat
	for _, p := range flat(policies) {
		switch p := p.(type) {
		case *retry.Retry:
			if repeats++; repeats > 1 {
				bad("a second retry repeats nothing, since only the outermost does: remove one")
			}
			if hedges > 0 {
				bad("retry inside hedge: each hedge would be repeated on its own; retry inside a hedge therefore sends once: put retry outside hedge")
			}
			if guarded {
				bad("breaker outside retry: it sees the call as a whole, so that an outage opens it late and a retry that saved the call hides its failures: put it inside retry")
			}
			last = p
		case *hedge.Hedge:
			if hedges++; hedges > 1 {
				bad("a second hedge sends nothing: remove one")
			}
			last = p
		case *breaker.Breaker:
			guarded = true
		case *limit.InFlight:
			limits++
			if repeats > 0 || hedges > 0 {
				bad("calls in flight limited inside retry: a call that waits to be repeated holds no place, so that more calls are under way than the limit says: put it outside retry")
			}
		case *timeout.Timeout:
			is := p.Options().Limit
			if outer != nil && last == nil && is > 0 && outer.Options().Limit > 0 {
				bad("two timeouts with neither retry nor hedge between them, %v and %v: only the shorter one counts; remove the other", outer.Options().Limit, is)
			}
			if outer != nil && is > 0 && outer.Options().Limit > 0 && is > outer.Options().Limit {
				bad("a timeout of %v inside one of %v: it can never run out; lower it", is, outer.Options().Limit)
			}
			outer, last = p, nil
		}
	}
	if _, ok := last.(*retry.Retry); ok {
		bad("retry without a timeout further in: an attempt that hangs takes the time of all; add timeout.New for each attempt as the innermost policy")
	}
	return errors.Join(wrong...)
}

// flat lists policies with what is in Stacks in the place of these.
func flat(policies []holdfast.Policy) []holdfast.Policy {
	var all []holdfast.Policy
	for _, p := range policies {
		if s, ok := p.(*Stack); ok && s != nil {
			all = append(all, flat(s.now().list())...)
		} else {
			all = append(all, p)
		}
	}
	return all
}
