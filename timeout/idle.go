package timeout

import (
	"time"

	"github.com/holdfast-go/holdfast"
)

// The phases of a call, which the two low bits of bounded.state hold; the rest
// is when the phase began, in nanoseconds since start.
const (
	asking  = iota // no answer yet: the limit counts
	unread         // the answer is there, and nobody has begun to read it
	waiting        // the reader waits for the server
	resting        // the reader is busy with what it has got
)

func (c *bounded) phase() int64 { return c.state.Load() & 3 }

func (c *bounded) enter(phase int64) (state int64) {
	state = int64(time.Since(c.start))<<2 | phase
	c.state.Store(state)
	return state
}

// A hook is a bounded as its Reply sees it: a context has a Done of its own.
type hook bounded

var _ holdfast.Hook = (*hook)(nil)

// Done lets go of the context at the end of the Reply.
func (h *hook) Done(_ uint64, end holdfast.End) {
	c := (*bounded)(h)
	if c.whole {
		c.sample(end.Class)
	}
	c.release()
}

// A watch is a hook that has an idle limit to keep.
type watch bounded

var _ holdfast.Watcher = (*watch)(nil)

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

// answered ends the attempt's limit and begins its idle limit. It reports
// whether the limit had not run out before.
func (c *bounded) answered() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		return false
	}
	due := c.dueIn(c.enter(unread))
	switch {
	case c.inner == nil: // nobody waits
	case due == never:
		c.armed.Store(int64(never))
		if c.timer != nil {
			c.timer.Stop()
		}
	case due < time.Duration(c.armed.Load()):
		if cause := c.arm(); cause != nil {
			c.cancel(cause)
		}
	}
	return true
}

// fire is what the timer runs.
func (c *bounded) fire() { c.wake(true) }

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
		now, due := time.Since(c.start), c.dueIn(state)
		if due <= now {
			c.ended = true
			c.armed.Store(0)
			return c.ranOut(state, now)
		}
		if due >= time.Duration(c.armed.Load()) {
			return nil
		}
		c.armed.Store(int64(due))
		if c.timer == nil {
			c.timer = time.AfterFunc(due-now, c.fire)
		} else {
			c.timer.Reset(due - now)
		}
		// A Progress meanwhile either saw what armed is now, or is seen here.
	}
}

func (c *bounded) due() time.Duration { return c.dueIn(c.state.Load()) }

// dueIn returns when, since start, the context is to end if nothing changes.
func (c *bounded) dueIn(state int64) time.Duration {
	phase, since := state&3, time.Duration(state>>2)
	due := c.outerDue()
	if c.limited(phase) {
		due = min(due, c.limit)
	}
	if c.idle == 0 {
		return due
	}
	switch {
	case phase == waiting, phase == unread && !c.stream:
		due = min(due, plus(since, c.idle))
	case phase == resting && !c.stream:
		due = min(due, plus(since, slow(c.idle)))
	}
	return due
}

// outerDue returns when, since start, the deadline of ours outside runs out.
func (c *bounded) outerDue() time.Duration {
	if c.outer == nil {
		return never
	}
	return max(plus(c.outer.limit, c.outer.start.Sub(c.start)), 0)
}

// limited reports whether the limit, and not the idle one alone, counts now.
func (c *bounded) limited(phase int64) bool {
	return c.limit > 0 && (c.whole || phase == asking)
}

// ranOut returns the cause of an end that has come.
func (c *bounded) ranOut(state int64, now time.Duration) error {
	phase := state & 3
	switch {
	case c.limited(phase) && c.limit <= now:
		return c.cause
	case c.outerDue() <= now:
		return c.outer.cause
	case phase == waiting:
		c.call.Limit(c.idle) // the server had its time
		return &holdfast.TimeoutError{Limit: c.idle, Scope: "idle"}
	case phase == unread:
		return &unreadError{c.idle}
	}
	return &unreadError{slow(c.idle)}
}
