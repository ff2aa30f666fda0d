// Package discovery says where the servers of a target are. A Resolver yields the
// complete set of endpoints whenever it changes, for a load balancer to use. It
// needs nothing beyond the standard library.
package discovery

import (
	"context"
	"iter"
	"maps"
	"slices"
	"strings"
)

// An Endpoint is one server of a target.
type Endpoint struct {
	// Addr is where it listens: "10.0.0.1:8080". It is what an endpoint is known by:
	// one whose other fields change is the same endpoint.
	Addr string
	// Weight is its share of the calls beside the others': 0 means 1; negative: none,
	// it is being drained.
	Weight int
	// Zone is where it stands; empty: unknown.
	Zone string
	// Priority 0 is used first; others as far as those before have no room.
	Priority int
	// Key is what consistent hashing knows it by; empty: Addr. A name that outlives
	// addresses keeps keys where they are.
	Key string
	// Metadata is for strategies and observers of your own. It is not to be changed.
	Metadata map[string]string
}

// Equal reports whether two endpoints are the same in every field.
func (e Endpoint) Equal(other Endpoint) bool {
	return e.Addr == other.Addr && e.Weight == other.Weight && e.Zone == other.Zone && e.Priority == other.Priority &&
		e.Key == other.Key && maps.Equal(e.Metadata, other.Metadata)
}

// A Resolver watches where the servers of a target are.
//
// Watch yields the complete set whenever it changes, first as soon as it is known,
// and errors as they happen, until ctx ends or the loop is left; until then it goes
// on after an error. What it yields belongs to whoever iterates. It may be called
// several times, also at once. Nothing of it runs when nobody iterates.
//
// An error, and an answer without endpoints, is not to be taken for news of the
// servers: whoever uses the set keeps the last one.
//
// Errors and metrics name a Resolver by its String method where it has one, and else by
// its type: its fields may hold what is nobody's business.
type Resolver interface {
	Watch(ctx context.Context) iter.Seq2[[]Endpoint, error]
}

// A Refresher is a Resolver that can be asked to look again, since a connection has
// failed. Refresh returns at once; what is asked again and again is looked up at a
// bounded rate.
type Refresher interface {
	Refresh()
}

// Func makes a Resolver of a function that watches.
type Func func(ctx context.Context) iter.Seq2[[]Endpoint, error]

// Watch calls f.
func (f Func) Watch(ctx context.Context) iter.Seq2[[]Endpoint, error] { return f(ctx) }

// Static is a Resolver that knows the addresses: "10.0.0.1:80", "10.0.0.2:80".
func Static(addrs ...string) Resolver {
	var endpoints []Endpoint
	for _, addr := range addrs {
		endpoints = append(endpoints, Endpoint{Addr: addr})
	}
	return Endpoints(endpoints...)
}

// Endpoints is Static for endpoints with weights, zones and the like.
func Endpoints(endpoints ...Endpoint) Resolver { return fixed(merged(endpoints)) }

type fixed []Endpoint

// Watch yields the endpoints once.
func (f fixed) Watch(ctx context.Context) iter.Seq2[[]Endpoint, error] {
	return func(yield func([]Endpoint, error) bool) {
		if ctx.Err() == nil && yield(slices.Clone(f), nil) {
			<-ctx.Done()
		}
	}
}

// String lists the addresses.
func (f fixed) String() string {
	var addrs []string
	for _, e := range f {
		addrs = append(addrs, e.Addr)
	}
	return "static " + strings.Join(addrs, ",")
}

// merged is a copy in which an address is there once: what is there twice has the
// weight of both.
func merged(endpoints []Endpoint) []Endpoint {
	out := make([]Endpoint, 0, len(endpoints))
	at := make(map[string]int, len(endpoints))
	for _, e := range endpoints {
		i, twice := at[e.Addr]
		if !twice {
			at[e.Addr] = len(out)
			out = append(out, e)
			continue
		}
		if sum := max(out[i].weight(), 0) + max(e.weight(), 0); sum > 0 {
			out[i].Weight = sum
		}
	}
	return out
}

// weight gives the option its meaning: 0 means 1.
func (e Endpoint) weight() int {
	if e.Weight == 0 {
		return 1
	}
	return e.Weight
}

// same reports whether two sets are equal, whatever their order.
func same(a, b []Endpoint) bool {
	if len(a) != len(b) {
		return false
	}
	at := make(map[string]Endpoint, len(a))
	for _, e := range a {
		at[e.Addr] = e
	}
	return !slices.ContainsFunc(b, func(e Endpoint) bool {
		old, ok := at[e.Addr]
		return !ok || !old.Equal(e)
	})
}
