package timeout

import (
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/clock"
	"github.com/holdfast-go/holdfast/internal/pause"
)

// The phases of a call, which the two low bits of bounded.state hold; the rest
// is when the phase began, in nanoseconds since it began.
const (
	asking  = iota // no answer yet: the limit counts
	unread         // the answer is there, and nobody has begun to read it
	waiting        // the reader waits for the server
	resting        // the reader is busy with what it has got
)

func (c *bounded) phase() int64 { return c.state.Load() & 3 }

func (c *bounded) enter(phase int64) (state int64) {
	state = int64(c.since())<<2 | phase
	c.state.Store(state)
	return state
}

// A hook is a bounded as its Reply sees it: a context has a Done of its own.
type hook bounded

var _ holdfast.Hook = (*hook)(nil)

// Done lets go of the context at the end of the Reply.
func (h *hook) Done(_ uint64, end holdfast.End) {
	c := (*bounded)(h)
	if c.whole && !c.shown.Load() {
		c.sample(end.Class)
	}
	c.release()
}

// A watch is a hook that has an idle limit to keep.
type watch bounded

var _ holdfast.ProgressHook = (*watch)(nil)

// Done does what the hook does.
func (w *watch) Done(token uint64, end holdfast.End) { (*hook)(w).Done(token, end) }

// Progress notes that the reader begins to wait, or has got something. It costs
// a look at the clock and two atomic operations; the timer is left to run early
// and to set itself again.
func (w *watch) Progress(_ uint64, wait bool) {
	c := (*bounded)(w)
	if !wait {
		c.enter(resting)
		return
	}
	if state := c.enter(waiting); c.dueIn(state) < time.Duration(c.armed.Load()) {
		c.wake(false)
	}
}

// answered ends the attempt's limit and begins its idle limit. For an answer that has shown
// itself to be a stream, only the limits of a stream go on. It reports whether the limit had
// not run out before.
func (c *bounded) answered(res holdfast.Result) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		return false
	}
	c.reads = true
	c.shown.Store(res.Stream && !c.stream)
	c.late, _ = res.Reply.(keeper)
	due := c.dueIn(c.enter(unread))
	switch {
	case c.inner == nil: // nobody waits
	case due == never:
		c.armed.Store(int64(never))
		c.timer.stop()
		c.timer = nil
	default:
		if cause := c.arm(); cause != nil {
			c.cancel(cause)
		}
	}
	return true
}

// reading has pauses looked for while an answer is read under a limit around the whole call.
func (c *bounded) reading() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.reads = true; c.inner != nil && !c.ended {
		if cause := c.arm(); cause != nil {
			c.cancel(cause)
		}
	}
}

// next returns when the timer is to run for what is due: while an answer is read also in
// between, ever less often, since it is the only one that can tell of a pause; not for a
// caller who has gone.
func (c *bounded) next(now, due time.Duration) time.Duration {
	if !c.reads || due == never || c.parent.Err() != nil {
		return due
	}
	return min(due, now+min(max(now/4, pause.Late/2), 250*time.Millisecond))
}

// fire is what the timer runs.
func (c *bounded) fire() {
	if due := c.armed.Load(); due > 0 && due < int64(never) {
		now := clock.Now()
		pause.Note(c.began+due, now)
		pause.Look(now)
	}
	c.keep()
	c.wake(true)
}

// A keeper is an answer that can be kept, until its caller begins to read it.
type keeper interface {
	// PutBy takes the beginning of the answer into memory and lets go of all else that it
	// holds, which ends it, unless the caller has begun to read it. Reading past what was
	// kept ends in why.
	PutBy(why error)
}

// keep has an answer kept that nobody has begun to read for the idle limit: what it holds is
// free, and a first read that comes late finds it.
func (c *bounded) keep() {
	c.mu.Lock()
	state, now, late := c.state.Load(), c.since(), c.late
	due := late != nil && !c.ended && state&3 == unread && c.dueIn(state) <= now && c.outerDue() > now && !(c.limited(unread) && c.limit <= now) &&
		c.state.CompareAndSwap(state, int64(now)<<2|resting) // so that the context does not end meanwhile
	c.mu.Unlock()
	if due {
		late.PutBy(&unreadError{c.idle})
	}
}

// wake sets the timer, or ends the context when its time has come.
func (c *bounded) wake(fired bool) {
	c.mu.Lock()
	if c.ended {
		c.mu.Unlock()
		return
	}
	if fired {
		c.armed.Store(int64(never))
	}
	cause, cancel := c.arm(), c.cancel
	c.mu.Unlock()
	if cause != nil {
		cancel(cause)
	}
}

// arm sets the timer to the time when the present phase is over, unless it runs
// sooner anyway. When that time has come it returns what has run out. c.mu is
// held, and c.inner is there.
func (c *bounded) arm() (cause error) {
	for {
		state := c.state.Load()
		now, due := c.since(), c.dueIn(state)
		if due <= now {
			pause.Look(clock.Now())
			due = c.dueIn(state)
		}
		if due <= now {
			c.ended = true
			c.armed.Store(0)
			c.cause = c.ranOut(state, now)
			return c.cause
		}
		if due = c.next(now, due); due >= time.Duration(c.armed.Load()) {
			return nil
		}
		c.armed.Store(int64(due))
		c.ring(due - now)
		// A Progress meanwhile either saw what armed is now, or is seen here.
	}
}

func (c *bounded) due() time.Duration { return c.dueIn(c.state.Load()) }

// least returns when, since it began, the context may end at the earliest, whether or not this
// process stood still: a deadline of ours outside is no nearer than the limit, if there is one.
func (c *bounded) least() time.Duration {
	if c.idle != 0 && c.phase() != asking {
		return 0 // it is to be looked at more closely
	}
	return c.limit
}

// dueIn returns when, since it began, the context is to end if nothing changes.
func (c *bounded) dueIn(state int64) time.Duration {
	phase, since := state&3, time.Duration(state>>2)
	due, idle := c.outerDue(), c.idleNow()
	if c.limited(phase) {
		due = min(due, plus(c.limit, c.extension(0, c.limit)))
	}
	stream := c.stream || c.shown.Load()
	switch {
	case idle == 0:
	case phase == waiting, phase == unread && !stream:
		due = min(due, plus(plus(since, idle), c.extension(since, idle)))
	case phase == resting && !stream:
		due = min(due, plus(since, slow(idle)))
	}
	return due
}

// idleNow returns the idle limit, which holds on a stream where it was asked for by name.
func (c *bounded) idleNow() time.Duration {
	if c.shown.Load() && !c.named {
		return 0
	}
	return c.idle
}

// outerDue returns when, since it began, the deadline of ours outside runs out.
func (c *bounded) outerDue() time.Duration {
	if c.outer == nil || !c.outer.limited(asking) {
		return never
	}
	limit := plus(c.outer.limit, c.outer.extension(0, c.outer.limit))
	return max(plus(limit, time.Duration(c.outer.began-c.began)), 0)
}

// extension is what a limit that began at a time since c did gets for the time during which
// this process did not run. It never moves the caller's own deadline.
func (c *bounded) extension(since, limit time.Duration) time.Duration {
	return pause.Extension(c.began+int64(since), limit)
}

// limited reports whether the limit, and not the idle one alone, counts now.
func (c *bounded) limited(phase int64) bool {
	if c.shown.Load() {
		return c.limit > 0 && c.whole && c.streams
	}
	return c.limit > 0 && (c.whole || phase == asking)
}

// ranOut returns the cause of an end that has come.
func (c *bounded) ranOut(state int64, now time.Duration) error {
	phase := state & 3
	switch {
	case c.limited(phase) && plus(c.limit, c.extension(0, c.limit)) <= now:
		return c.timedOut()
	case c.outerDue() <= now:
		return c.outer.timedOut()
	case c.idle == 0 || phase == asking: // another goroutine has found a pause since it was due
		if c.limited(phase) {
			return c.timedOut()
		}
		return c.outer.timedOut()
	case phase == waiting:
		c.call.Limit(c.idle) // the server had its time
		return c.call.TimedOut(c.idle, "idle")
	case phase == unread:
		return &unreadError{c.idle}
	}
	return &unreadError{slow(c.idle)}
}
