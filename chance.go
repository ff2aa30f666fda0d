package holdfast

import (
	"context"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-go/holdfast/internal/clock"
	"github.com/holdfast-go/holdfast/internal/keyed"
	"github.com/holdfast-go/holdfast/internal/pause"
	"github.com/holdfast-go/holdfast/internal/rpccode"
)

// A chain is what the calls through one Handler of Chain have learnt of their targets:
// what they usually take, and whether they are silent.
type chain struct {
	targets keyed.Table[*target]
	silent  atomic.Int32 // how many of them are thought to be
}

func newChain() *chain {
	c := new(chain)
	c.targets.New = func(key string) *target { return &target{stranger: key == ""} }
	c.targets.Shared = func() *target { return &target{stranger: true} }
	c.targets.Idle = c.answers
	return c
}

// A target is what is known of one.
type target struct {
	stranger bool // several share it: nothing is learnt

	mu      sync.Mutex
	methods map[string]*usual // a quick one tells nothing of a slow one
	quiet   time.Duration     // for how long attempts that were excused have waited, and nothing was heard; 0: something was
	until   int64             // up to when that is counted
}

// answers reports whether the target may be forgotten: it is not thought to be silent, or that was
// another time.
func (c *chain) answers(t *target) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	c.expire(t, clock.Now())
	return t.quiet == 0
}

// expire forgets a silence of which nothing was seen for a minute. The lock of t is held.
func (c *chain) expire(t *target, now int64) {
	if now-t.until > int64(time.Minute) && t.quiet != 0 {
		t.quiet = 0
		c.silent.Add(-1)
	}
}

// A usual is what calls of one method take: their mean and mean deviation, in
// nanoseconds (RFC 6298 section 2).
type usual struct {
	n         int // successes that were sampled
	mean, dev float64
}

// maxMethods bounds the methods of a target of which that is known.
const maxMethods = 256

func (u *usual) observe(took float64) {
	if u.n == 0 {
		u.mean, u.dev = took, took/2
	} else {
		u.dev += (math.Abs(took-u.mean) - u.dev) / 4
		u.mean += (took - u.mean) / 8
	}
	u.n = min(u.n+1, chanceSamples)
}

// beyond is what is well beyond that.
func (u *usual) beyond() time.Duration {
	if u == nil || u.n < chanceSamples {
		return chanceUnknown
	}
	return max(time.Duration(min(max(u.mean+4*u.dev, 2*u.mean), float64(math.MaxInt64/2))), chanceLeast)
}

// The chance of a server: see VerdictOf.
const (
	chanceUnknown = 500 * time.Millisecond
	chanceLeast   = 100 * time.Millisecond
	chanceSamples = 8
)

// sampled reports whether a success that was sent then is looked at: one in eight, drawn
// from the time itself, which costs nothing.
func sampled(sent int64) bool { return uint64(sent)*0x9E3779B97F4A7C15>>61 == 0 }

// learn takes in what an attempt came to.
func (c *chain) learn(call *Call, res Result) {
	if c.silent.Load() > 0 && res.Class.Server() != Unknown && !rpccode.OutOfTime(res.Code) {
		c.heard(c.targets.Get(call.Target))
	}
	if !res.Class.Sample() || (call.Stream || res.Stream) && !call.Unary || !sampled(call.sent) {
		return
	}
	t, took := c.targets.Get(call.Target), float64(pause.Ran(call.sent, clock.Now()))
	if t.stranger {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	u := t.methods[call.Method]
	if u == nil {
		if len(t.methods) >= maxMethods {
			return
		}
		if t.methods == nil {
			t.methods = map[string]*usual{}
		}
		u = new(usual)
		t.methods[call.Method] = u
	}
	u.observe(took)
}

// heard notes that the target has answered.
func (c *chain) heard(t *target) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.quiet != 0 {
		t.quiet = 0
		c.silent.Add(-1)
	}
	t.until = clock.Now()
}

// beyond is what is well beyond the time that such calls usually take.
func (c *chain) beyond(call *Call) time.Duration {
	if c == nil {
		return chanceUnknown
	}
	t := c.targets.Get(call.Target)
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.methods[call.Method].beyond()
}

// silence notes that an attempt which was sent at a time ran out of it unheard, and may be
// excused. It returns for how long the target has been asked, and silent, while this process
// ran; what several attempts waited for at once counts once.
//
// Without it a server that hangs would be excused for as long as its client is short of
// the processor, or its callers of time: each single attempt has too little of it, all of
// them together have not.
func (c *chain) silence(name string, sent, now int64) time.Duration {
	t := c.targets.Get(name)
	if t.stranger {
		return 0
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	c.expire(t, now)
	if t.quiet == 0 { // answers are looked for from here on
		c.silent.Add(1)
		t.quiet, t.until = 1, now
		return 0
	}
	t.quiet += max(pause.Ran(max(sent, t.until), now), 0)
	t.until = now
	return t.quiet
}

// chance is how long a server must have before running out of time is its failure. A
// fiftieth of a limit is let off, since it begins a little before the transport gets the
// call.
func (c *Call) chance() time.Duration {
	chance := c.chain.beyond(c)
	if limit := time.Duration(c.Record.limit.Load()); limit > 0 {
		chance = min(limit-limit/50, chance)
	}
	return chance
}

// OutOfTime judges an attempt of c whose time has run out, for a policy that has ended it:
// see VerdictOf.
func (c *Call) OutOfTime() Class {
	if c.sent == 0 {
		return Ignored
	}
	return c.outOfTime(c.chance(), false)
}

// outOfTime judges an attempt whose time has run out, by how much of it the server had while
// this process ran. After a pause it must have had as much again as the longest pause took:
// a process that wakes has the work of that time to do, and the answer may be in it. own
// says that the transport's own limit has ended it, which is a chance whatever its length.
func (c *Call) outOfTime(chance time.Duration, own bool) Class {
	now := clock.Now()
	pause.Look(now)
	stood, longest := pause.Between(c.sent, now)
	had := time.Duration(now-c.sent) - stood
	switch {
	case had >= chance+longest, own && stood == 0:
		return Failure
	case had >= chance*2/5 && c.chain != nil && c.chain.silence(c.Target, c.sent, now) >= max(chance, chanceUnknown):
		return Failure // one that had next to nothing says nothing
	case stood == 0 || had+stood < chance && !own:
		return Ignored
	}
	return LocalPause
}

// spent judges an attempt that came to nothing since its time had run out. Where a limit of ours
// had run out before it was sent, some policy has spent that time and has sent it all the same: one
// that stands in for a slow server. One that waits for something of this process answers the call
// itself.
func (c *Call) spent(ctx context.Context) Class {
	limit := RanOut(ctx)
	deadline, ok := ctx.Deadline()
	if c.is(waited) || limit == nil || !c.Limits(limit) || !ok || clock.At(deadline) > c.sent {
		return Ignored
	}
	c.sent = clock.At(deadline) - int64(limit.Limit)
	atomic.StoreUint32(&c.state, atomic.LoadUint32(&c.state)&^unsent) // it stands for one that a server had
	return c.outOfTime(c.chance(), false)
}

// ownTimeout judges an attempt that ended by a limit of the transport's own.
func ownTimeout(ctx context.Context) Class {
	call := CallFrom(ctx)
	if call == nil || call.sent == 0 {
		return Failure
	}
	return call.outOfTime(call.chance(), true)
}

// idle judges an answer that a limit of ours has cut off since nothing of it arrived: the
// limit was extended for pauses, but not by more than it may be.
func idle(limit time.Duration) Class {
	now := clock.Now()
	pause.Look(now)
	stood, _ := pause.Between(now-int64(limit+pause.Longest), now)
	if stood-min(stood, limit, pause.Longest) > limit/50 {
		return LocalPause
	}
	return Failure
}

// Pauses returns how often this process stood still while calls were under way, for 20 ms
// or longer, as their timers showed, and for how long altogether: it was stopped, its
// virtual machine was, or it was short of the processor. What such a pause may have
// caused is a LocalPause, and no server's failure.
func Pauses() (n uint64, stood time.Duration) { return pause.Total() }
