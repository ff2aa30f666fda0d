package breaker

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/clock"
	"github.com/holdfast-go/holdfast/internal/herald"
	"github.com/holdfast-go/holdfast/internal/keyed"
	"github.com/holdfast-go/holdfast/internal/pause"
)

// A Breaker is a Policy that rejects calls to what is down. It is safe for
// concurrent use. One that New has not made, nil too, rejects nothing.
//
// A circuit opens when too large a part of the calls has failed or was slow, or too many
// have failed in a row; Options have the bounds. It stays open for as long as fits the
// outage: OpenDuration at first, then a quarter of the time since it first opened. Then
// single calls, one at a time, are sent as probes: one that succeeds closes it, one that
// fails opens it again. The pattern is that of M. Nygard, Release It! (2007).
//
// The transport's Class says what a failure is: the server is Unhealthy or Overloaded.
// Where nothing is known of it (a caller's cancel, a lost hedge, what we rejected or
// could not send ourselves, a pause of this process) the call counts as nothing. An
// answer that breaks off while it is read turns from a success into a failure.
type Breaker struct {
	o Options
	s *shared
}

// shared is what Breakers share that With has made of each other.
type shared struct {
	with     sync.Mutex // of latest: what is in force is of one of them, and not of several
	circuits keyed.Table[*circuit]
	herald   herald.Herald[holdfast.Event]
	onChange atomic.Pointer[func(context.Context, holdfast.Event)] // of the latest of them
	width    atomic.Int64                                          // of a bucket of its Window
}

// latest has the circuits follow what Breakers that share them cannot have each for itself.
func (s *shared) latest(o *Options) {
	s.with.Lock()
	defer s.with.Unlock()
	s.onChange.Store(&o.OnChange)
	s.width.Store(max(int64(o.Window)/buckets, 1))
	s.circuits.Resize(o.MaxKeys)
	now := time.Now()
	s.circuits.Each(func(_ string, c *circuit) bool { c.window.follow(now); return true })
}

func (s *shared) tell(ctx context.Context, e holdfast.Event) {
	if f := *s.onChange.Load(); f != nil {
		f(ctx, e)
	}
}

var _ holdfast.Policy = (*Breaker)(nil)

// New makes a Breaker. Every value of every option means something; see Options.
func New(o Options) *Breaker {
	b := &Breaker{o: o.filled(), s: new(shared)}
	b.s.latest(&b.o)
	b.s.circuits.New = func(key string) *circuit { return newCircuit(key, b.s) }
	b.s.circuits.Idle = func(c *circuit) bool { return c.idle(time.Now()) }
	b.s.herald.Listen(b.s.tell)
	return b
}

// With returns a Breaker with other options and the circuits of b, which both
// share from then on: what is open stays open, for as long as the bounds of each allow, and what
// was counted counts. Window, MaxKeys and OnChange hold for b as well. More circuits than MaxKeys
// are kept while they may not be forgotten; see Options.MaxKeys.
func (b *Breaker) With(o Options) *Breaker {
	if !b.made() {
		return New(o)
	}
	with := &Breaker{o.filled(), b.s}
	b.s.latest(&with.o)
	return with
}

// Options returns the options in force, with the defaults filled in.
func (b *Breaker) Options() Options {
	if !b.made() {
		return Options{}
	}
	return b.o
}

func (b *Breaker) made() bool { return b != nil && b.s != nil }

// Traits tells that it rejects calls to what is down.
func (b *Breaker) Traits() holdfast.Traits { return holdfast.Traits{Name: "breaker", Breaks: b.made()} }

// Wrap returns a Handler that sends what the circuit of a call lets through. A
// call that it does not is answered with an *OpenError and the Class Ignored.
func (b *Breaker) Wrap(next holdfast.Handler) holdfast.Handler {
	if !b.made() {
		return next
	}
	o := &b.o
	return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
		key := call.Target
		if o.Key != nil {
			if key = o.Key(call); key == "" {
				return next(ctx, call)
			}
		}
		entry, late := b.s.circuits.Hold(key)
		if entry == nil {
			tellLate(ctx, call, key, late)
			return next(ctx, call)
		}
		defer entry.Release()
		c := entry.Value
		if c.set.Load() != o {
			c.set.Store(o)
		}
		age := c.age.Load() // before the state: a change in between makes it an earlier one
		if State(c.state.Load()) != Closed {
			if res, shared := c.share(ctx, call, next, o); shared {
				return res
			}
			switch probe, err, ok := c.admit(o); {
			case ok && probe > 0:
				return c.send(ctx, call, next, o, probe)
			case !ok:
				c.herald.Tell() // a probe that took too long
				if !o.ObserveOnly {
					return rejected(ctx, call, err)
				}
				return next(ctx, call)
			}
			age = c.age.Load()
		}
		if o.SlowDuration > 0 {
			return c.timed(ctx, call, next, o, age)
		}
		res := next(ctx, call)
		if res.Class.Server() == holdfast.Healthy {
			c.observe(o, age, res.Class, 0, false)
			if !call.Unary && res.Reply != nil {
				res.OnDone(c, age)
			}
		} else {
			c.observeAndTell(o, age, res, false)
		}
		return res
	}
}

// share sends a call that is made within the probe, which decides alone. One at a time passes;
// another one waits for it, for half as long as the probe may take.
func (c *circuit) share(ctx context.Context, call *holdfast.Call, next holdfast.Handler, o *Options) (res holdfast.Result, shared bool) {
	if holdfast.CallFrom(ctx) == nil || !c.probed() {
		return res, false
	}
	res, shared, free := call.Share(ctx, next, c)
	if free == nil {
		return res, shared
	}
	limit := o.ProbeTimeout
	if limit <= 0 {
		limit = defaultProbeLimit // who waits does not do so for ever
	}
	timer := pause.Start(limit / 2)
	defer timer.Stop()
	call.Waited()
	for free != nil {
		select {
		case <-free:
			if !c.probed() {
				return res, false
			}
			res, shared, free = call.Share(ctx, next, c)
		case <-timer.C:
			if timer.Over() {
				return res, false
			}
		case <-ctx.Done():
			return call.Reject(ctx, holdfast.Event{Policy: "breaker", Err: context.Cause(ctx)}), true
		}
	}
	return res, shared
}

// probed reports whether a probe is under way that decides.
func (c *circuit) probed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.probing != nil
}

// timed sends a call whose time matters, and counts what it came to.
func (c *circuit) timed(ctx context.Context, call *holdfast.Call, next holdfast.Handler, o *Options, age uint64) holdfast.Result {
	start := clock.Now()
	res := watched(ctx, call, next, start)
	c.observeAndTell(o, age, res, slow(o, start))
	if !call.Unary && res.Reply != nil && res.Class.Server() == holdfast.Healthy {
		res.OnDone(c, age)
	}
	return res
}

// observeAndTell is observe where the circuit may open. When a listener panics, nobody is left
// to read the answer.
func (c *circuit) observeAndTell(o *Options, age uint64, res holdfast.Result, slow bool) {
	told := false
	defer func() {
		if !told {
			res.Discard()
		}
	}()
	c.observe(o, age, res.Class, res.After, slow)
	told = true
}

func rejected(ctx context.Context, call *holdfast.Call, err *OpenError) holdfast.Result {
	res := call.Reject(ctx, holdfast.Event{Policy: "breaker", Code: holdfast.CodeCircuitOpen, Reason: err.State.String(), Err: err})
	if !err.Until.IsZero() {
		res.After = max(time.Until(err.Until), 1)
	}
	return res
}

// Watch has f told of every change of state of every circuit (a "circuit", of holdfast.Event),
// until stop is called: in order, each once, on the goroutine of a call, with a context that is
// no call's and no lock held, so that f may call b. One that panics stops no other. When more
// than 1,024 changes wait for a slow listener, the oldest are dropped.
func (b *Breaker) Watch(f func(ctx context.Context, e holdfast.Event)) (stop func()) {
	if !b.made() {
		return func() {}
	}
	return b.s.herald.Listen(f)
}

// Owner returns what b has in common with those that With has made of it: to watch one of them is
// to watch all.
func (b *Breaker) Owner() any {
	if !b.made() {
		return nil
	}
	return b.s
}

// State returns the state of the circuit of key. It is true without a call: a
// circuit is half-open as soon as its time has passed. Asking makes no circuit.
func (b *Breaker) State(key string) State { return b.Status(key).State }

// Status returns what there is to know of the circuit of key. One that has none, since MaxKeys
// others have, has the zero Status.
func (b *Breaker) Status(key string) Status {
	if b.made() {
		if c, ok := b.s.circuits.Find(key); ok {
			return c.status(&b.o)
		}
	}
	return Status{}
}

// Each calls f for each circuit, in no order, until f returns false.
func (b *Breaker) Each(f func(key string, s Status) bool) {
	if !b.made() {
		return
	}
	b.s.circuits.Each(func(key string, c *circuit) bool { return f(key, c.status(&b.o)) })
}

func (c *circuit) status(o *Options) Status {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	n := c.window.sum(now)
	s := Status{
		State: c.current(o, now), Calls: uint64(n.calls), Failures: uint64(n.failures), Slow: uint64(n.slow),
		ConsecutiveFailures: int(c.row.Load()), Rejected: c.rejected.Load(),
	}
	if State(c.state.Load()) == Open {
		s.Until = c.due(o)
	}
	return s
}

// Isolate rejects the calls of key until Reset. It has a circuit from then on, whether or not
// MaxKeys others have.
func (b *Breaker) Isolate(key string) {
	if b.made() {
		entry := b.s.circuits.Keep(key)
		defer entry.Release()
		entry.Value.byHand(Isolated, cause{"hand", "isolated by hand"})
	}
}

// Reset closes the circuit of key, as good as new. A key without a circuit has nothing to reset.
func (b *Breaker) Reset(key string) {
	if !b.made() {
		return
	}
	if c, ok := b.s.circuits.Find(key); ok {
		c.byHand(Closed, cause{"hand", "reset by hand"})
	}
}

func (c *circuit) byHand(to State, why cause) {
	defer c.herald.Tell()
	c.mu.Lock()
	defer c.mu.Unlock()
	from := State(c.state.Load())
	if from == to && to != Closed {
		return
	}
	c.machine = newMachine()
	c.began, c.closed, c.stayed = time.Time{}, time.Time{}, 0
	if from != to {
		c.become(to, why)
		return
	}
	c.age.Add(1)
	c.row.Store(0)
	c.broken.Store(0)
	c.window.clear()
}
