package timeout

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/clock"
	"github.com/holdfast-go/holdfast/internal/pause"
)

// terms are what limits one call. A limit of 0 is none.
type terms struct {
	start         time.Time
	began         int64 // start by clock.Now
	limit, idle   time.Duration
	ceiling       time.Duration // of an adaptive limit
	target        *target       // where the limit learns; nil: nowhere
	whole         bool          // the limit covers the answer to its end
	unary, stream bool
}

// A bounded is the context of one call under a limit and, as a watch, the
// Watcher of its Reply: one allocation for all that most calls need.
//
// A context of the standard library, and a timer, come to be when somebody asks
// for Done, which includes deriving a context: while nobody waits there is
// nobody to wake, and Err can tell the time. Contexts derived from it are those
// of the standard context's kin, so they start no goroutine.
type bounded struct {
	terms
	parent context.Context
	call   *holdfast.Call
	outer  *bounded // a deadline of ours right outside this one, which it keeps as well

	state atomic.Int64 // what the idle limit counts, and since when; see idle.go
	armed atomic.Int64 // when the timer will run, since start; 0: there is none

	mu     sync.Mutex
	reads  bool                    // an answer is read: pauses are looked for
	ended  bool                    // out of time, or let go of: no timer is to be set again
	freed  bool                    // let go of
	inner  context.Context         // nil until it is asked for
	cancel context.CancelCauseFunc // there with inner

	cause error // what the context ends because of, where cancel is to be told

	seen bool // somebody has been told that the time has come: it does not move any more

	// Of a limit that is a plain deadline; see root.
	hang    func() // ends inner
	carrier atomic.Pointer[carrier]
	unlink  func() bool // from the caller's context
	timer   *time.Timer
}

type boundedKey struct{}

var _ context.Context = (*bounded)(nil)

// since is the time since it began.
func (c *bounded) since() time.Duration { return time.Duration(clock.Now() - c.began) }

// fixed reports whether the limit is a plain deadline for all of the call.
func (c *bounded) fixed() bool {
	return c.limit > 0 && c.idle == 0 && (c.unary || c.whole)
}

// deadline returns the deadline that the limit sets at present, if it is one to
// be seen: after an attempt's answer has come it binds no more, and for a stream
// it must not go on the wire.
func (c *bounded) deadline() (time.Time, bool) {
	if c.limit > 0 && (c.whole || !c.stream && c.phase() == asking) {
		more := c.extension(0, c.limit)
		deadline := c.start.Add(c.limit + more)
		if more > 0 { // which the caller's is not moved by
			if theirs, ok := c.parent.Deadline(); ok && theirs.Before(deadline) {
				return theirs, false
			}
		}
		return deadline, true
	}
	return time.Time{}, false
}

// timedOut makes the error of the limit.
func (c *bounded) timedOut() *holdfast.TimeoutError {
	scope := "attempt"
	if c.whole {
		scope = "call"
	}
	return c.call.TimedOut(c.limit, scope)
}

// Deadline returns the limit's, which is always the nearer one, or the caller's.
func (c *bounded) Deadline() (time.Time, bool) {
	if deadline, ok := c.deadline(); ok {
		return deadline, true
	}
	return c.parent.Deadline()
}

// Done returns the channel that is closed when the limit runs out, the caller
// gives up, or the call is over.
func (c *bounded) Done() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.real().Done()
}

// Err returns context.DeadlineExceeded once a limit has run out.
func (c *bounded) Err() error {
	c.mu.Lock()
	due := !c.ended && c.isDue()
	if c.inner == nil && !c.ended && !due && c.parent.Err() == nil {
		c.mu.Unlock()
		return nil
	}
	inner, hang, cancel, cause, over := c.real(), c.hang, c.cancel, c.cause, c.ended && !c.freed
	c.seen = c.seen || due
	c.mu.Unlock()
	switch { // what the timer would do a moment later, or is about to
	case hang != nil:
		if due || over {
			hang()
		}
	case due:
		c.wake(true)
	case over && cause != nil:
		cancel(cause)
	}
	c.catchUp()
	err := inner.Err()
	if err == context.Canceled {
		// A limit that moves ends its context by a cancel; so does one further out.
		if limit, is := context.Cause(inner).(*holdfast.TimeoutError); is && (c.call.Limits(limit) || holdfast.RanOut(c.parent) == limit) {
			return context.DeadlineExceeded
		}
	}
	return err
}

// isDue reports whether the time has come. c.mu is held.
func (c *bounded) isDue() bool {
	now := c.since()
	if now < c.least() {
		return false
	}
	pause.Look(c.began + int64(now)) // this process may have stood still, and nobody has looked yet
	return now >= c.due()
}

// Value finds what the caller's context has.
func (c *bounded) Value(key any) any {
	if key == (boundedKey{}) {
		return c
	}
	c.mu.Lock()
	inner := c.inner
	c.mu.Unlock()
	if inner == nil {
		return c.parent.Value(key)
	}
	c.catchUp()
	return inner.Value(key)
}

// catchUp ends the context beneath when the parent has ended, which it would learn a moment
// later.
func (c *bounded) catchUp() {
	c.mu.Lock()
	hang, linked := c.hang, c.unlink != nil && !c.freed
	c.mu.Unlock()
	if linked && c.parent.Err() != nil {
		hang()
	}
}

// String describes the context without looking into what others write to.
func (c *bounded) String() string { return fmt.Sprintf("holdfast/timeout(%v)", c.limit) }

// real returns the context of the standard library beneath c, made if need be.
// c.mu is held.
func (c *bounded) real() context.Context {
	switch {
	case c.inner != nil:
	case c.ended:
		c.inner, c.cancel = context.WithCancelCause(c.parent)
		c.cancel(nil)
	case c.unary && c.fixed():
		c.hangBeneath()
	default:
		c.inner, c.cancel = context.WithCancelCause(c.above())
		c.armed.Store(int64(never))
		if cause := c.arm(); cause != nil {
			c.cancel(cause)
		}
	}
	return c.inner
}

// above returns the context to derive from. A deadline of ours right outside is
// passed over while nobody waits for it, which saves its context and its timer:
// this one ends no later.
func (c *bounded) above() context.Context {
	p := c.outer
	if p == nil {
		return c.parent
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.inner != nil || p.ended {
		return c.parent
	}
	return p.above()
}

// release lets go of everything c holds. It may be called several times.
func (c *bounded) release() {
	c.mu.Lock()
	c.ended, c.freed = true, true
	c.armed.Store(0)
	if c.timer != nil {
		c.timer.Stop()
	}
	cancel, unlink := c.cancel, c.unlink
	c.mu.Unlock()
	if unlink != nil {
		unlink()
	}
	if cancel != nil {
		cancel(nil)
	}
}

// released reports whether c has been let go of.
func (c *bounded) released() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.freed
}
