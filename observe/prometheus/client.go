package prometheus

import (
	"slices"
	"sync"
	"sync/atomic"

	"github.com/holdfast-go/holdfast/internal/inside"
	"github.com/holdfast-go/holdfast/internal/names"

	"github.com/holdfast-go/holdfast"
)

// A client is what is known of one: its series, and the policies whose state is read.
type client struct {
	m     *Metrics
	name  string
	words names.Table // reasons, codes and states
	pairs atomic.Pointer[map[key]*pair]

	latest [64]atomic.Pointer[pair]

	mu       sync.Mutex // no policy is called while it is held
	policies []holdfast.Policy
	known    map[any]bool // of these
	heard    map[any]bool // those that are listened to, or what they share
	stops    []func()     // of the listening
	others   []*opened
	forgets  int // how often it was forgotten
}

// An opened is what has a state and is no policy of the client: a pool that somebody else has
// made, a resolver.
type opened struct {
	holdfast.Measured
	stop func() // of the listening
}

func newClient(m *Metrics, name string) *client {
	c := &client{m: m, name: name, known: map[any]bool{}, heard: map[any]bool{}}
	c.words.Most = 100 + len(words)
	for _, word := range words {
		c.words.Of(word)
	}
	c.pairs.Store(&map[key]*pair{})
	return c
}

// watch keeps the policies to read their state, and listens to them and to those in groups: each
// once, however often it is watched.
func (c *client) watch(policies []holdfast.Policy) {
	tell, tellers := inside.Tellers[holdfast.Observable](policies)
	var keep []holdfast.Policy
	for _, p := range policies {
		_, measured := p.(holdfast.Measured)
		if _, group := p.(holdfast.Group); measured || group {
			keep = append(keep, p)
		}
	}
	c.mu.Lock()
	forgets := c.forgets
	for _, p := range keep {
		if once(c.known, inside.Identity(p)) {
			c.policies = append(c.policies, p)
		}
	}
	var fresh []holdfast.Observable
	for i, is := range tellers {
		if once(c.heard, is) {
			fresh = append(fresh, tell[i])
		}
	}
	c.mu.Unlock()
	for _, o := range fresh {
		c.listen(o, forgets)
	}
}

// listen listens, unless c was forgotten meanwhile.
func (c *client) listen(to holdfast.Observable, forgets int) {
	stop := to.Watch(c.event)
	c.mu.Lock()
	if c.forgets == forgets {
		c.stops = append(c.stops, stop)
		stop = func() {}
	}
	c.mu.Unlock()
	stop()
}

// once reports whether what is known by that was not among the seen, and notes it; of what cannot
// be told apart each is another one.
func once(seen map[any]bool, is any) bool {
	if is == nil {
		return true
	}
	first := !seen[is]
	seen[is] = true
	return first
}

// forget lets go of the policies.
func (c *client) forget() {
	c.mu.Lock()
	stops := c.stops
	for _, o := range c.others {
		stops = append(stops, o.stop)
	}
	c.policies, c.stops, c.others = nil, nil, nil
	c.forgets++
	clear(c.known)
	clear(c.heard)
	c.mu.Unlock()
	for _, stop := range stops {
		stop()
	}
}

// Pools watches the pools that gRPC's balancers make of their Options, for a client:
//
//	loadbalance.Options{Opened: metrics.Pools("users")}
//
// Each is watched until it is closed.
func (m *Metrics) Pools(name string) func(holdfast.Measured) (closed func()) {
	if !m.made() {
		return func(holdfast.Measured) func() { return func() {} }
	}
	c := m.client(name)
	return func(pool holdfast.Measured) func() {
		o := &opened{pool, func() {}}
		if tells, ok := pool.(holdfast.Observable); ok {
			o.stop = tells.Watch(c.event)
		}
		c.open(o)
		return func() {
			if c.close(o) {
				o.stop()
			}
		}
	}
}

// open has what is no policy of c read.
func (c *client) open(o *opened) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.others = append(c.others, o)
}

// close reports whether o was open until now.
func (c *client) close(o *opened) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := slices.Index(c.others, o)
	if i >= 0 {
		c.others = slices.Delete(slices.Clone(c.others), i, i+1) // somebody may be reading
	}
	return i >= 0
}
