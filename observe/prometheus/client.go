package prometheus

import (
	"context"
	"iter"
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-go/holdfast/internal/names"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/discovery"
	"github.com/holdfast-go/holdfast/loadbalance"
)

// A client is what is known of one: its series, and the policies whose state is read.
type client struct {
	m     *Metrics
	name  string
	words names.Table // reasons and codes
	pairs atomic.Pointer[map[key]*pair]

	latest [64]atomic.Pointer[pair]

	mu        sync.Mutex
	policies  []holdfast.Policy
	heard     map[holdfast.Policy]bool // pointers alone
	stops     []func()                 // of the listening
	pools     []*opened
	resolvers []*watched
}

// An opened pool is one that somebody else has made.
type opened struct {
	pool *loadbalance.Pool
	name string
	stop func()
}

func newClient(m *Metrics, name string) *client {
	c := &client{m: m, name: name, heard: map[holdfast.Policy]bool{}}
	c.words.Most = 100
	c.pairs.Store(&map[key]*pair{})
	return c
}

// watch listens to the policies, and keeps them to read their state: each once, however
// often it is watched.
func (c *client) watch(policies []holdfast.Policy) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range policies {
		if p == nil || c.has(p) {
			continue
		}
		c.policies = append(c.policies, p)
		c.listen(p, 0)
	}
}

// listen listens to a policy, or to those in a stack, each once: they may be in several.
func (c *client) listen(p holdfast.Policy, depth int) {
	of := reflect.ValueOf(p)
	if of.Kind() == reflect.Pointer {
		if of.IsNil() || c.heard[p] {
			return
		}
		c.heard[p] = true
	}
	if stack, ok := p.(interface{ Inside() []holdfast.Policy }); ok && depth < maxDepth {
		for _, inner := range stack.Inside() {
			if inner != nil {
				c.listen(inner, depth+1)
			}
		}
	} else if tells, ok := p.(holdfast.Observable); ok {
		c.stops = append(c.stops, tells.Observe(c.event))
	}
}

func (c *client) has(p holdfast.Policy) bool {
	if reflect.TypeOf(p).Kind() != reflect.Pointer {
		return false // of no type that has a state here; a function cannot be compared
	}
	for _, old := range c.policies {
		if reflect.TypeOf(old).Kind() == reflect.Pointer && old == p {
			return true
		}
	}
	return false
}

// forget lets go of the policies; the lock of the Metrics is held.
func (c *client) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, stop := range c.stops {
		stop()
	}
	for _, p := range c.pools {
		p.stop()
	}
	c.policies, c.stops, c.pools, c.resolvers = nil, nil, nil, nil
	clear(c.heard)
}

// Pools watches the pools that gRPC's balancers make of their Options, for a client:
//
//	loadbalance.Options{Opened: metrics.Pools("users")}
//
// Each is watched until it is closed.
func (m *Metrics) Pools(name string) func(*loadbalance.Pool) (closed func()) {
	c := m.client(name)
	return func(p *loadbalance.Pool) func() {
		o := &opened{pool: p, name: "pool"}
		o.stop = p.Observe(c.event)
		c.mu.Lock()
		defer c.mu.Unlock()
		c.pools = append(c.pools, o)
		return func() {
			o.stop()
			c.mu.Lock()
			defer c.mu.Unlock()
			for i := range c.pools {
				if c.pools[i] == o {
					c.pools = append(c.pools[:i:i], c.pools[i+1:]...)
					return
				}
			}
		}
	}
}

// Resolver returns r with its answers counted and their age known, for those that are
// not read by a loadbalance.Set: gRPC's.
//
//	grpcclient.Resolver("holdfast", metrics.Resolver("users", discovery.DNS("users.internal:443", discovery.DNSOptions{})))
func (m *Metrics) Resolver(name string, r discovery.Resolver) discovery.Resolver {
	c := m.client(name)
	w := &watched{Resolver: r, c: c, name: names.Own(r), made: time.Now()}
	c.mu.Lock()
	c.resolvers = append(c.resolvers, w)
	c.mu.Unlock()
	if refresher, ok := r.(discovery.Refresher); ok {
		return struct {
			*watched
			discovery.Refresher
		}{w, refresher}
	}
	return w
}

// A watched Resolver is one whose answers are noted.
type watched struct {
	discovery.Resolver
	c    *client
	name string
	made time.Time

	mu     sync.Mutex
	status loadbalance.Status
}

// String names it as the resolver that it watches.
func (w *watched) String() string { return w.name }

// Watch notes what r says.
func (w *watched) Watch(ctx context.Context) iter.Seq2[[]discovery.Endpoint, error] {
	return func(yield func([]discovery.Endpoint, error) bool) {
		for endpoints, err := range w.Resolver.Watch(ctx) {
			w.note(ctx, endpoints, err)
			if !yield(endpoints, err) {
				return
			}
		}
	}
}

// note keeps what a Set would.
func (w *watched) note(ctx context.Context, endpoints []discovery.Endpoint, err error) {
	w.mu.Lock()
	bad := err != nil || len(endpoints) == 0 && w.status.Endpoints > 0
	if bad {
		w.status.Err = err
		if w.status.Known && w.status.Stale.IsZero() {
			w.status.Stale = time.Now()
		}
	} else {
		w.status = loadbalance.Status{Known: true, Endpoints: len(endpoints), Since: time.Now()}
	}
	e := loadbalance.Discovery{Resolver: w.name, Endpoints: w.status.Endpoints, Err: err}
	if bad && err == nil {
		e.Err = errEmpty
	}
	w.mu.Unlock()
	w.c.event(ctx, e)
}
