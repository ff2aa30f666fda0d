package loadbalance

import (
	"math"
	"sync/atomic"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/discovery"
)

// A Node is one endpoint with what is known of it. It is the same as long as its
// address is in the set, whatever else of it changes. Its methods are safe for
// concurrent use.
type Node struct {
	pool     *Pool
	addr     string
	endpoint atomic.Pointer[discovery.Endpoint]
	guard    Guard // nil: none

	pending atomic.Int64
	cost    atomic.Uint64 // what calls take: see ewma
	signal  atomic.Pointer[signalAt]

	ramp  atomic.Int64 // when its slow start began; 0: it has none
	state state        // guarded by pool.mu, but for what is atomic
	row   atomic.Int32 // infrastructure errors in a row
	good  atomic.Uint64
	bad   atomic.Uint64 // since the last sweep, with good
	picks atomic.Uint64

	removed atomic.Bool // it is no longer in the set
}

// Endpoint returns the endpoint as discovery last had it.
func (n *Node) Endpoint() discovery.Endpoint {
	if n == nil || n.endpoint.Load() == nil { // no Pool has made it
		return discovery.Endpoint{}
	}
	return *n.endpoint.Load()
}

// Addr returns its address.
func (n *Node) Addr() string {
	if n == nil {
		return ""
	}
	return n.addr
}

// weight is its weight, at least 1.
func (n *Node) weight() float64 { return float64(max(n.endpoint.Load().Weight, 1)) }

// key is what consistent hashing knows it by.
func (n *Node) key() string {
	if key := n.endpoint.Load().Key; key != "" {
		return key
	}
	return n.addr
}

// InFlight returns how many calls are under way.
func (n *Node) InFlight() int64 {
	if n == nil {
		return 0
	}
	return n.pending.Load()
}

// drained reports whether no new calls go to it.
func (n *Node) drained() bool { return n.endpoint.Load().Weight < 0 }

// Latency returns the peak EWMA of what calls take, decayed to now; false: no call
// has told yet.
func (n *Node) Latency(now int64, tau time.Duration) (float64, bool) {
	if n == nil {
		return 0, false
	}
	return project(n.cost.Load(), now, tau)
}

// ewma: a cost in nanoseconds as a float32 in the upper half of a word, and when it
// was set, in milliseconds, in the lower one, so that both change at once. 0: none.
const milli = int64(time.Millisecond)

func pack(cost float64, now int64) uint64 {
	return uint64(math.Float32bits(float32(max(cost, 1))))<<32 | uint64(uint32(now/milli))
}

// project returns the cost as it has decayed until now. It falls to 1 µs at least,
// so that idle nodes differ from each other by chance alone.
func project(word uint64, now int64, tau time.Duration) (cost float64, seen bool) {
	if word == 0 {
		return 0, false
	}
	cost = float64(math.Float32frombits(uint32(word >> 32)))
	if age := int64(int32(uint32(now/milli) - uint32(word))); age > 0 && tau > 0 {
		cost *= math.Exp(-float64(age*milli) / float64(tau))
	}
	return max(cost, float64(time.Microsecond)), true
}

// observe takes a time in: the first replaces whatever was assumed, a longer one
// than the decayed cost counts at once, shorter ones by and by (peak EWMA, as in
// Finagle and linkerd2-proxy).
func (n *Node) observe(now int64, took float64, tau time.Duration) {
	for {
		word := n.cost.Load()
		cost, seen := project(word, now, tau)
		next := took
		if seen && took <= cost {
			raw := float64(math.Float32frombits(uint32(word >> 32)))
			w := cost / max(raw, 1)
			next = raw*w + took*(1-w)
		}
		if n.cost.CompareAndSwap(word, pack(next, now)) {
			return
		}
	}
}

// decay is how long the memory of what calls take lasts.
const decay = 10 * time.Second

// The penalty of a failure, so that a node which fails fast does not look fast.
const (
	penaltyLeast = 5 * time.Second
	penaltyMost  = 300 * time.Second
)

// learn takes in what a call has come to.
func (n *Node) learn(now int64, took time.Duration, class holdfast.Class, after time.Duration) {
	tau := n.pool.o.Decay
	switch health := class.Server(); {
	case class.Sample():
		n.observe(now, float64(took), tau)
	case health == holdfast.Unhealthy, health == holdfast.Overloaded:
		cost, _ := project(n.cost.Load(), now, tau)
		n.observe(now, max(float64(penaltyLeast), float64(min(after, penaltyMost)), cost), tau)
	case class == holdfast.Ignored: // ended by its caller, or by a hedge that won: it took longer than that
		if cost, seen := project(n.cost.Load(), now, tau); seen && float64(took) > cost {
			n.observe(now, float64(took), tau)
		}
	}
}

// share is the part of its calls that a node in slow start takes, from a tenth to 1.
func (n *Node) share(now int64) float64 {
	began := n.ramp.Load()
	if began == 0 {
		return 1
	}
	window := n.pool.rampOf(n)
	if window <= 0 {
		return 1
	}
	part := float64(now-began) / float64(window)
	if part >= 1 {
		n.ramp.CompareAndSwap(began, 0)
		return 1
	}
	return max(part, 0.1)
}
