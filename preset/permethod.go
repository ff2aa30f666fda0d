package preset

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/hedge"
)

// Policy returns a Policy that treats each call as s says of its method, and as
// base where s says nothing. The methods of a target share their circuits, their
// budget and their places. A method for which base and s together make no sense is
// an error.
func (s *ServiceConfig) Policy(base Config) (holdfast.Policy, error) {
	p := &perMethod{byName: map[methodName]*parts{}}
	rest := s.config(base, nil)
	if err := rest.Validate(); err != nil {
		return nil, err
	}
	p.rest = build(rest, nil)
	if s == nil {
		return p, nil
	}
	for i := range s.methods {
		c := s.config(base, &s.methods[i])
		if err := c.Validate(); err != nil {
			return nil, fmt.Errorf("methodConfig[%d]: %w", i, err)
		}
		made := build(c, p.rest)
		for _, n := range s.methods[i].names {
			p.byName[n] = made
		}
	}
	return p, nil
}

type perMethod struct {
	byName map[methodName]*parts
	rest   *parts
}

var _ holdfast.Policy = (*perMethod)(nil)

// Wrap returns a Handler that sends each call through the policies of its method.
func (p *perMethod) Wrap(next holdfast.Handler) holdfast.Handler {
	return p.WrapAt(holdfast.Place{}, next)
}

// WrapAt is Wrap for a place in a chain.
func (p *perMethod) WrapAt(at holdfast.Place, next holdfast.Handler) holdfast.Handler {
	handlers := map[*parts]holdfast.Handler{p.rest: at.Wrap(next, p.rest.list()...)}
	byName := make(map[methodName]holdfast.Handler, len(p.byName))
	for name, made := range p.byName {
		if handlers[made] == nil {
			handlers[made] = at.Wrap(next, made.list()...)
		}
		byName[name] = handlers[made]
	}
	rest := handlers[p.rest]
	return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
		service, method := split(call.Target, call.Method)
		for _, name := range [...]methodName{{service, method}, {service, ""}, {}} {
			if h := byName[name]; h != nil {
				return h(ctx, call)
			}
		}
		return rest(ctx, call)
	}
}

// Inside and OnDrained are a Stack's: the policies of all methods share their
// state, but for hedges, which not all of them have.
func (p *perMethod) Inside() []holdfast.Policy {
	list := p.rest.list()
	at := slices.Index(list, holdfast.Policy(find[*hedge.Hedge](p.rest))) + 1
	for _, made := range p.byName {
		if h := find[*hedge.Hedge](made); !slices.Contains(list, holdfast.Policy(h)) {
			list = slices.Insert(list, at, holdfast.Policy(h))
		}
	}
	return list
}

// chains are the policies of calls of which nothing is said, and then those of each method.
func (p *perMethod) chains() [][]holdfast.Policy {
	chains := [][]holdfast.Policy{p.rest.list()}
	for _, made := range p.byName {
		chains = append(chains, made.list())
	}
	return chains
}

func (p *perMethod) OnDrained(f func(addr string)) { onDrained(p.rest.config.Inner, f) }

// split tells service and method of a call: "/users.v1.Users/Get" of gRPC, and
// target and method of HTTP.
func split(target, method string) (service, name string) {
	if i := strings.LastIndexByte(method, '/'); i > 0 && method[0] == '/' {
		return method[1:i], method[i+1:]
	}
	return target, method
}
