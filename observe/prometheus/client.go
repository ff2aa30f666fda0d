package prometheus

import (
	"reflect"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/holdfast-go/holdfast/internal/names"

	"github.com/holdfast-go/holdfast"
)

// A client is what is known of one: its series, and the policies whose state is read.
type client struct {
	m     *Metrics
	name  string
	words names.Table // reasons and codes
	pairs atomic.Pointer[map[key]*pair]

	latest [64]atomic.Pointer[pair]

	mu       sync.Mutex
	policies []holdfast.Policy
	heard    map[holdfast.Policy]bool // pointers alone
	stops    []func()                 // of the listening
	others   []*opened
}

// An opened is what has a state and is no policy of the client: a pool that somebody else has
// made, a resolver.
type opened struct {
	holdfast.Measured
	stop func() // of the listening
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
	if stack, ok := p.(holdfast.Group); ok && depth < maxDepth {
		for _, inner := range stack.Inside() {
			if inner != nil {
				c.listen(inner, depth+1)
			}
		}
	} else if tells, ok := p.(holdfast.Observable); ok {
		c.stops = append(c.stops, tells.Watch(c.event))
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
	for _, o := range c.others {
		o.stop()
	}
	c.policies, c.stops, c.others = nil, nil, nil
	clear(c.heard)
}

// Pools watches the pools that gRPC's balancers make of their Options, for a client:
//
//	loadbalance.Options{Opened: metrics.Pools("users")}
//
// Each is watched until it is closed.
func (m *Metrics) Pools(name string) func(holdfast.Measured) (closed func()) {
	c := m.client(name)
	return func(pool holdfast.Measured) func() {
		o := c.open(pool)
		if tells, ok := pool.(holdfast.Observable); ok {
			o.stop = tells.Watch(c.event)
		}
		return func() {
			o.stop()
			c.mu.Lock()
			defer c.mu.Unlock()
			if i := slices.Index(c.others, o); i >= 0 {
				c.others = slices.Delete(slices.Clone(c.others), i, i+1) // somebody may be reading
			}
		}
	}
}

// open has what is no policy of c read.
func (c *client) open(m holdfast.Measured) *opened {
	o := &opened{m, func() {}}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.others = append(c.others, o)
	return o
}
