package preset

import (
	"context"
	"reflect"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/hedge"
	"github.com/holdfast-go/holdfast/internal/inside"
	"github.com/holdfast-go/holdfast/retry"
)

// A sharing says what of the base's state a policy of a route has.
type sharing uint8

const (
	apart    sharing = iota // none
	alike                   // all of it, where its options are the base's
	together                // all of it
)

// routed are the policies of routes as one: it sends a call through those of its route.
type routed struct {
	base     *parts
	patterns *patterns
	routes   []*parts
}

var (
	_ holdfast.Placed = (*routed)(nil)
	_ holdfast.Group  = (*routed)(nil)
)

// route makes the policies of the routes of p, with the state of those before; there may be none.
func (p *parts) route(before *parts) {
	s := succeed(before.config.Routes, p.config.Routes)
	if len(p.config.Routes) > 0 {
		p.routed = &routed{base: p}
		p.routed.patterns, _ = compile(p.config.Routes)
	}
	for i, route := range p.config.Routes {
		was := new(parts)
		if from := s.from[i]; from >= 0 {
			was = before.routed.routes[from]
		}
		p.routed.routes = append(p.routed.routes, p.beside(route.Config.over(p.config), was, before))
	}
	p.relieve(before, s)
}

// beside makes the policies of a route of p, whose Config is c. was is the one whose state it has,
// and base what p was then.
func (p *parts) beside(c Config, was, base *parts) *parts {
	made := &parts{config: c}
	c = c.probing()
	c.Retry.Budget, c.Hedge.Budget = find[*retry.Retry](p).Budget(), find[*hedge.Hedge](p).Options().Budget
	for i, r := range table {
		own := was.made[i]
		if r.shares == alike && own == base.made[i] {
			own = nil
		}
		switch {
		case r.shares == together:
			made.made[i] = r.make(&c, p.made[i])
		case r.shares == alike && r.same(r.make(&c, nil), p.made[i]):
			made.made[i] = p.made[i]
		default:
			made.made[i] = r.make(&c, own)
		}
	}
	return made
}

// same reports whether two policies of the row have the same options.
func (r row) same(a, b holdfast.Policy) bool {
	var x, y Config
	r.read(&x, a)
	r.read(&y, b)
	return reflect.DeepEqual(x, y)
}

// Wrap returns a Handler that sends each call through the policies of its route.
func (r *routed) Wrap(next holdfast.Handler) holdfast.Handler {
	return r.WrapAt(holdfast.Place{}, next)
}

// WrapAt is Wrap for a place in a chain.
func (r *routed) WrapAt(at holdfast.Place, next holdfast.Handler) holdfast.Handler {
	base := at.Wrap(next, r.base.chain()...)
	routes := make([]holdfast.Handler, len(r.routes))
	for i, p := range r.routes {
		routes[i] = at.Wrap(next, p.chain()...)
	}
	return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
		if i := r.patterns.find(call); i >= 0 {
			return routes[i](ctx, call)
		}
		return base(ctx, call)
	}
}

// Inside returns the policies of all routes, each once: those of the base, and beside each
// those of its kind that routes have for themselves.
func (r *routed) Inside() []holdfast.Policy {
	var all once
	each := func(f func(p *parts) []holdfast.Policy) {
		all.add(f(r.base)...)
		for _, p := range r.routes {
			all.add(f(p)...)
		}
	}
	last := len(table) - 1
	each(func(p *parts) []holdfast.Policy { return p.config.Outer })
	for i := range last {
		each(func(p *parts) []holdfast.Policy { return p.made[i : i+1] })
	}
	each(func(p *parts) []holdfast.Policy { return p.config.Inner })
	each(func(p *parts) []holdfast.Policy { return p.made[last:] })
	return all.policies
}

// once is a list of policies that has each once, as far as that can be told.
type once struct {
	policies []holdfast.Policy
	seen     map[any]bool
}

func (o *once) add(policies ...holdfast.Policy) {
	if o.seen == nil {
		o.seen = map[any]bool{}
	}
	for _, p := range policies {
		is := inside.Identity(p)
		if is == nil || !o.seen[is] {
			o.policies = append(o.policies, p)
		}
		if is != nil {
			o.seen[is] = true
		}
	}
}

// chains are the policies of calls without a route, and then those of each route.
func (r *routed) chains() [][]holdfast.Policy {
	chains := [][]holdfast.Policy{r.base.chain()}
	for _, p := range r.routes {
		chains = append(chains, p.chain())
	}
	return chains
}

// OnDrained has f told of endpoints that are gone, by the balancers of all routes.
func (r *routed) OnDrained(f func(addr string)) { onDrained(r.base.config.inner(), f) }
