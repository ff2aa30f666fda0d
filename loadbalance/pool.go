package loadbalance

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/discovery"
	"github.com/holdfast-go/holdfast/internal/clock"
	"github.com/holdfast-go/holdfast/internal/herald"
	"github.com/holdfast-go/holdfast/internal/input"
	"github.com/holdfast-go/holdfast/internal/option"
	"github.com/holdfast-go/holdfast/internal/pause"
)

// Options set up a Pool or a Set. The zero value is the default of every field; a
// negative value switches off what the field is for.
type Options struct {
	// Decay is how long the memory of what calls take lasts, for PeakEWMA: 0 and
	// negative mean 10 s.
	Decay time.Duration
	// Eject says when nodes are left out for a while.
	Eject EjectOptions
	// PanicThreshold is the part of the nodes of a priority that must be healthy: with
	// fewer all of them are used, since what is left would be overrun. 0 means 0.5;
	// negative: never.
	PanicThreshold float64
	// SlowStart is how long a node that is added takes fewer calls than its share,
	// from a tenth on: 0 and negative mean none. Nodes that come back from an
	// ejection do so for 10 s.
	SlowStart time.Duration
	// Drain is how long the calls of an endpoint that was removed may go on before its
	// connections are closed under them: 0 and negative mean no limit.
	// It holds for doors that ask for OnDrained, as the HTTP one does.
	Drain time.Duration
	// Await is how long an attempt waits in a Set for a node that is healthy, as long as
	// its context allows, where there is none: no endpoint at all, or all of them ejected
	// or unhealthy. Then it goes on as without. When an ejected one is due, one of those who wait
	// shows whether it is back, and the others wait on. 0 and negative mean not at all.
	// gRPC has this of its own, by WaitForReady, for connections.
	Await time.Duration
	// Guard makes the guard of a node; nil: none has one.
	Guard func(discovery.Endpoint) Guard
	// Check is asked about each node now and then whether it is healthy; see Checks.
	Check Checks
	// OnChange is told when a node is ejected, is back, or turns unhealthy or healthy by a
	// check ("endpoint", of holdfast.Event). It runs with no lock held and may call
	// the Pool.
	OnChange func(ctx context.Context, e holdfast.Event)
	// Opened is called with each Pool that is made of these Options; what it returns,
	// which may be nil, when that is closed: for observers of pools that somebody else
	// makes, as gRPC does one for each channel. What it gets is the *Pool.
	Opened func(holdfast.Measured) (closed func())
}

func (o Options) filled() Options {
	o.Decay = option.Of(o.Decay, decay, decay)
	o.PanicThreshold = option.Of(o.PanicThreshold, 0.5, option.Off)
	o.SlowStart = option.Of(o.SlowStart, option.Off, option.Off)
	o.Drain = option.Of(o.Drain, option.Off, option.Off)
	o.Await = option.Of(o.Await, option.Off, option.Off)
	o.Eject = o.Eject.filled()
	o.Check = o.Check.filled()
	return o
}

// afterEjection is the slow start of a node that is back.
const afterEjection = 10 * time.Second

// A Pool keeps the nodes of a target and picks among them. It is safe for
// concurrent use. Close it when it is no longer needed.
type Pool struct {
	o        Options
	strategy Strategy
	now      atomic.Pointer[snapshot]

	mu       sync.Mutex
	nodes    map[string]*Node
	order    []*Node
	drained  func(addr string) // told when a node that is gone has no call any more
	gone     map[*Node]bool
	sweep    *time.Timer
	closed   bool
	opened   func()        // what Opened has returned, once: it is told of the end
	changed  chan struct{} // closed at the next change; nil: nobody waits for it
	panics   atomic.Uint64
	herald   herald.Herald[holdfast.Event]
	draining atomic.Int64   // how often f of OnDrained is being told
	checks   sync.WaitGroup // that run; added to with the lock held, and not once it is closed
}

// NewPool makes a Pool without nodes. A nil strategy means PeakEWMA.
func NewPool(strategy Strategy, o Options) *Pool {
	if strategy == nil {
		strategy = PeakEWMA
	}
	p := &Pool{o: o.filled(), strategy: strategy, nodes: map[string]*Node{}, gone: map[*Node]bool{}}
	if o.OnChange != nil {
		p.herald.Listen(func(ctx context.Context, e holdfast.Event) {
			if e.Kind == "endpoint" {
				o.OnChange(ctx, e)
			}
		})
	}
	if o.Opened != nil {
		p.opened = o.Opened(p)
	}
	return p
}

// made reports whether NewPool has made it.
func (p *Pool) made() bool { return p != nil && p.nodes != nil }

// Options returns the options in force, with the defaults filled in.
func (p *Pool) Options() Options {
	if p == nil {
		return Options{}
	}
	return p.o
}

// Update sets the endpoints. A node whose address stays keeps all that is known of
// it; one whose address is gone gets no new calls, and those under way end as they
// will. An address that is empty or has a control character is left out.
func (p *Pool) Update(endpoints []discovery.Endpoint) { p.update(endpoints) }

func (p *Pool) update(endpoints []discovery.Endpoint) (added, removed int) {
	if !p.made() {
		return 0, 0
	}
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return 0, 0
	}
	now := clock.Now()
	first := len(p.nodes) == 0 // where all are new there is nobody to take the rest
	next := make(map[string]*Node, len(endpoints))
	p.order = p.order[:0:0]
	var begun []*Node
	for _, e := range endpoints {
		if next[e.Addr] != nil || input.Address(e.Addr) != nil {
			continue
		}
		n := p.nodes[e.Addr]
		if n == nil {
			n = &Node{pool: p, addr: e.Addr}
			if p.o.Guard != nil {
				n.guard = p.o.Guard(e)
			}
			if !first && p.o.SlowStart > 0 {
				n.ramp.Store(now)
			}
			n.state.ready = true
			begun = append(begun, n)
		}
		if old := n.endpoint.Load(); old == nil || !old.Equal(e) {
			n.endpoint.Store(&e)
		}
		next[e.Addr] = n
		p.order = append(p.order, n)
	}
	var left []*Node
	for addr, n := range p.nodes {
		if next[addr] != n {
			p.remove(n)
			left = append(left, n)
		}
	}
	p.nodes = next
	for _, n := range begun {
		p.startCheck(n)
	}
	p.startSweep()
	p.rebuild()
	p.mu.Unlock()
	for _, n := range left {
		p.left(n)
	}
	p.tell()
	return len(begun), len(left)
}

// remove stops what runs for a node that is gone; the lock is held.
func (p *Pool) remove(n *Node) {
	n.state.stop()
	n.state.ejected = false
	p.gone[n] = true
	n.removed.Store(true)
	if p.o.Drain > 0 {
		n.state.timer = time.AfterFunc(p.o.Drain, func() { p.letGo(n) })
	}
}

// left tells that a node which is gone has no call any more.
func (p *Pool) left(n *Node) {
	if n.pending.Load() == 0 {
		p.letGo(n)
	}
}

// letGo tells, once, that the connections of a node which is gone can be closed.
func (p *Pool) letGo(n *Node) {
	p.mu.Lock()
	tell := p.gone[n]
	if tell {
		delete(p.gone, n)
		n.state.stop()
	}
	drained := p.drained
	_, back := p.nodes[n.addr]
	p.mu.Unlock()
	if tell && drained != nil && !back {
		p.draining.Add(1)
		defer p.draining.Add(-1)
		drained(n.addr)
	}
}

// telling reports whether a listener, or f of OnDrained, is being told: it may call Close.
func (p *Pool) telling() bool { return p.herald.Telling() || p.draining.Load() > 0 }

// OnDrained has f told the address of each endpoint that was removed once its last
// call is over: its connections can be closed. There is one f.
func (p *Pool) OnDrained(f func(addr string)) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.drained = f
}

// SetReady says which nodes can be sent to at all, for a transport that knows: gRPC,
// of its connections. Nodes are ready until it says otherwise.
func (p *Pool) SetReady(ready func(addr string) bool) {
	if p == nil || ready == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	changed := false
	for _, n := range p.order {
		if is := ready(n.addr); is != n.state.ready {
			n.state.ready, changed = is, true
		}
	}
	if changed {
		p.rebuild()
	}
}

// Close stops the checks and timers, and waits for those that run, but for a listener that is
// being told, so that a listener may call it. A Probe may not. Picks go on with what is known. It
// may be called several times; a nil Pool has nothing to stop.
func (p *Pool) Close() {
	if p == nil {
		return
	}
	p.mu.Lock()
	p.closed = true
	opened := p.opened
	p.opened = nil
	if p.sweep != nil {
		p.sweep.Stop()
	}
	for _, n := range p.nodes {
		n.state.stop()
	}
	for n := range p.gone {
		n.state.stop()
	}
	p.mu.Unlock()
	if !p.telling() {
		p.checks.Wait()
	}
	if opened != nil {
		opened()
	}
}

// Ready returns how many nodes there are to pick from at present.
func (p *Pool) Ready() (n int) {
	if p == nil {
		return 0
	}
	if s := p.now.Load(); s != nil {
		for i := range s.levels {
			n += len(s.levels[i].nodes)
		}
	}
	return n
}

// Nodes returns the nodes, in discovery's order.
func (p *Pool) Nodes() []*Node {
	if p == nil {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.order)
}

// since is the time since then during which this process ran: its own pauses tell nothing
// of a node.
func since(began int64) time.Duration { return pause.Ran(began, clock.Now()) }

// rampOf is how long the slow start of a node takes.
func (p *Pool) rampOf(n *Node) time.Duration {
	if n.state.returned.Load() {
		return afterEjection
	}
	return p.o.SlowStart
}

// answered takes in the Result of an attempt.
func (p *Pool) answered(d Picked, res holdfast.Result) {
	if d.began != 0 {
		d.Node.learn(clock.Now(), since(d.began), res.Class, res.After)
	}
	p.judge(d, res)
}

// note and tell hand news to those who listen, in order, with no lock held.
func (p *Pool) note(e holdfast.Event) { p.herald.Note(e) }

func (p *Pool) tell() { p.herald.Tell() }

// Watch has f told of each change of a node ("endpoint", of holdfast.Event), and a Set's of
// what discovery says ("discovery"), from now on until stop is called: in order, with no lock
// held and a context that is no call's. f may call the Pool.
func (p *Pool) Watch(f func(ctx context.Context, e holdfast.Event)) (stop func()) {
	if p == nil {
		return func() {}
	}
	return p.herald.Listen(f)
}
