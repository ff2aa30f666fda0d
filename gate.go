package holdfast

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
)

// ErrClosed says that a call was not sent, or not sent again, or was ended, since the client is
// closed: errors.Is finds it in the error of the call. Such a call is Ignored, and has CodeClosed.
var ErrClosed = errors.New("holdfast: the client is closed")

// A Gate is a Policy that can be closed, as an http.Server can: Shutdown lets calls under way
// finish, Close ends them. Stand it outermost; preset.Stack has one. The zero Gate is open. It is
// safe for concurrent use and must not be copied. A nil one lets everything through.
//
// A closed Gate answers new calls with ErrClosed. Calls that wait for something of this process
// (a place in a limit, a token, an endpoint, the wait before a repeat) come to an error that is
// ErrClosed, no policy repeats or hedges a call any more, and a call whose attempt is under way
// comes to what the attempt comes to; calls that are made within that attempt are sent. A call is
// under way until its answer is read to its end or closed.
//
// A Gate runs nothing of its own, so that one that nobody uses any more need not be closed.
type Gate struct {
	shut   atomic.Bool
	ready  sync.Once
	empty  chan struct{} // closed when it is shut, and no call is under way
	over   atomic.Bool   // empty is closed, or about to be
	shards [gateShards]gateShard

	mu  sync.Mutex
	end []func() // told when it has nothing to send any more
}

// Calls at once on many processors rarely meet at a shard.
const gateShards = 1 << 3

// A gateShard has a part of the calls under way, as a list.
type gateShard struct {
	mu     sync.Mutex
	closed bool
	first  *passing
	_      [40]byte // a cache line each
}

func (g *Gate) begin() {
	g.ready.Do(func() { g.empty = make(chan struct{}) })
}

// Wrap returns a Handler that sends calls until g is closed.
func (g *Gate) Wrap(next Handler) Handler {
	if g == nil {
		return next
	}
	g.begin()
	return func(ctx context.Context, call *Call) Result {
		p := &call.Record.passing
		if !call.Record.mark(gated) { // it passes a second gate, or this one as another attempt
			p = &passing{outer: passingOf(ctx, call)}
		}
		p.Context.Context, p.gate, p.of, p.shard = ctx, g, call.Record, uint8(rand.Uint32()%gateShards)
		if !g.enter(p, false) && !(g.lets(ctx, call) && g.enter(p, true)) {
			return call.Reject(ctx, Event{Policy: "gate", Code: CodeClosed, Reason: "closed", Err: ErrClosed})
		}
		res := call.Track(p, next, (*leaving)(p), 0)
		if res.Err != nil && p.EndedBy(ErrClosed) && !errors.Is(res.Err, ErrClosed) {
			res.Err = &closedError{res.Err}
		}
		return res
	}
}

// Shutdown closes g, and waits for the calls under way. Those that are still under way when ctx
// is done are ended: their contexts are cancelled, with ErrClosed as the cause, and Shutdown
// returns an error that says how many they were and is that of ctx. It may be called several
// times, also at once. Called by what a call itself runs, such as a callback, it waits for that
// call too; Close does not.
func (g *Gate) Shutdown(ctx context.Context) error {
	if g == nil {
		return nil
	}
	if ctx == nil { // no end, then
		ctx = context.Background()
	}
	g.close()
	select {
	case <-g.empty: // also where ctx is done already
		return nil
	default:
	}
	select {
	case <-g.empty:
		return nil
	case <-ctx.Done():
	}
	if n := g.cut(); n > 0 {
		return fmt.Errorf("holdfast: the shutdown has cut off %d of the calls under way: %w", n, context.Cause(ctx))
	}
	return nil
}

// Close closes g and ends the calls under way at once. It waits for nothing and may be called
// from anywhere, several times, and after Shutdown. The error is always nil.
func (g *Gate) Close() error {
	if g != nil {
		g.close()
		g.cut()
	}
	return nil
}

// OnClosed has f told when g is closed and the calls that were under way are over, and when
// Shutdown or Close has ended some: for a transport, which can close its connections then. f may
// be called several times, also at once with itself, by whoever closes g or by a call; at once where
// that has come to pass already.
func (g *Gate) OnClosed(f func()) {
	if g == nil || f == nil {
		return
	}
	g.begin()
	g.mu.Lock()
	g.end = append(g.end, f)
	g.mu.Unlock()
	select {
	case <-g.empty:
		f()
	default:
	}
}

func (g *Gate) tell() {
	g.mu.Lock()
	end := slices.Clone(g.end)
	g.mu.Unlock()
	tellAll(end)
}

// tellAll tells each, also where an earlier one panics; the panic then goes on its way.
func tellAll(list []func()) {
	if len(list) > 0 {
		defer tellAll(list[1:])
		list[0]()
	}
}

func (g *Gate) close() {
	g.begin()
	if !g.shut.Swap(true) {
		for _, p := range g.underWay() {
			p.release()
		}
	}
	g.settle()
}

// underWay lets no more calls in, and returns those that are.
func (g *Gate) underWay() (all []*passing) {
	for i := range g.shards {
		s := &g.shards[i]
		s.mu.Lock()
		s.closed = true
		for p := s.first; p != nil; p = p.next {
			all = append(all, p)
		}
		s.mu.Unlock()
	}
	return all
}

// settle tells when g is closed and no call is under way.
func (g *Gate) settle() {
	for i := range g.shards {
		s := &g.shards[i]
		s.mu.Lock()
		empty := s.closed && s.first == nil
		s.mu.Unlock()
		if !empty {
			return
		}
	}
	if !g.over.Swap(true) {
		close(g.empty)
		g.tell()
	}
}

// cut ends the calls under way, and returns how many they were.
func (g *Gate) cut() int {
	all, news := g.underWay(), false
	for _, p := range all { // with no lock held: what ends by it leaves
		if p.End(ErrClosed) {
			news = true
		}
	}
	if news { // who is told may close g again
		g.tell()
	}
	return len(all)
}

// enter adds p to the calls under way; inner: also where g is closed.
func (g *Gate) enter(p *passing, inner bool) bool {
	s := &g.shards[p.shard]
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed && !inner {
		return false
	}
	if p.next = s.first; p.next != nil {
		p.next.before = p
	}
	s.first = p
	return true
}

// lets reports whether c is made within a call that has passed g and is being sent: that one could
// not finish without it.
func (g *Gate) lets(ctx context.Context, c *Call) bool {
	for outer := outside(ctx, c); outer != nil; outer = outside(outer.within, c) {
		if !outer.encloses(ctx) {
			continue
		}
		for p := passingOf(outer.within, outer); p != nil; p = p.outer {
			if p.gate == g {
				return true
			}
		}
	}
	return false
}

// leave takes p off. Who leaves a closed gate last tells.
func (g *Gate) leave(p *passing) {
	s := &g.shards[p.shard]
	s.mu.Lock()
	if p.before != nil {
		p.before.next = p.next
	} else {
		s.first = p.next
	}
	if p.next != nil {
		p.next.before = p.before
	}
	p.before, p.next = nil, nil
	s.mu.Unlock()
	if g.shut.Load() {
		g.settle()
	}
}

// Waiting returns a context for the time of a wait for something of this process: a place, a
// token, the time before a repeat. It ends with ctx, and with ErrClosed as its cause when a Gate is
// closed that c has passed. Call done when the wait is over. ctx is the context that the policy
// got, and is returned itself where there is no Gate. A call that is closed while it waits is
// answered by Reject, with the cause as its Err.
func (c *Call) Waiting(ctx context.Context) (wait context.Context, done func()) {
	p := passingOf(ctx, c)
	if p == nil {
		return ctx, nothing
	}
	w := new(waiting)
	wait, w.cancel = context.WithCancelCause(ctx)
	for at := p; at != nil; at = at.outer {
		at.waits(w)
	}
	return wait, func() {
		for at := p; at != nil; at = at.outer {
			at.waited(w)
		}
		w.cancel(nil)
	}
}

func nothing() {}

// closed reports whether a Gate is that c has passed.
func (c *Call) closed(ctx context.Context) bool {
	for p := passingOf(ctx, c); p != nil; p = p.outer {
		if p.gate.shut.Load() {
			return true
		}
	}
	return false
}

// A closedError is the error of a call that was cut off.
type closedError struct{ err error }

func (e *closedError) Error() string   { return ErrClosed.Error() + ": " + e.err.Error() }
func (e *closedError) Unwrap() []error { return []error{ErrClosed, e.err} }
