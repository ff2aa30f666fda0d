package timeout

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-go/holdfast"
)

// terms are what limits one call. A limit of 0 is none.
type terms struct {
	start         time.Time
	limit, idle   time.Duration
	cause         *holdfast.TimeoutError
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
	ended  bool            // out of time, or let go of: no timer is to be set again
	freed  bool            // let go of
	inner  context.Context // nil until it is asked for
	stop   context.CancelFunc
	cancel context.CancelCauseFunc // one of the two is there with inner
	timer  *time.Timer
}

type boundedKey struct{}

var _ context.Context = (*bounded)(nil)

// fixed reports whether the limit is a plain deadline for all of the call.
func (c *bounded) fixed() bool {
	return c.limit > 0 && c.idle == 0 && (c.unary || c.whole)
}

// deadline returns the deadline that the limit sets at present, if it is one to
// be seen: after an attempt's answer has come it binds no more, and for a stream
// it must not go on the wire.
func (c *bounded) deadline() (time.Time, bool) {
	if c.limit > 0 && (c.whole || !c.stream && c.phase() == asking) {
		return c.start.Add(c.limit), true
	}
	return time.Time{}, false
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
	if c.inner == nil && !c.ended && c.parent.Err() == nil && time.Since(c.start) < c.due() {
		c.mu.Unlock()
		return nil
	}
	inner := c.real()
	c.mu.Unlock()
	err := inner.Err()
	if err == context.Canceled {
		// A limit that moves ends its context by a cancel; so does one further out.
		if _, ours := context.Cause(inner).(*holdfast.TimeoutError); ours {
			return context.DeadlineExceeded
		}
	}
	return err
}

// Value finds what the caller's context has.
func (c *bounded) Value(key any) any {
	if key == (boundedKey{}) {
		return c
	}
	c.mu.Lock()
	inner := c.inner
	c.mu.Unlock()
	if inner != nil {
		return inner.Value(key)
	}
	return c.parent.Value(key)
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
	case c.fixed():
		c.inner, c.stop = context.WithDeadlineCause(c.above(), c.start.Add(c.limit), c.cause)
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
	stop, cancel := c.stop, c.cancel
	c.mu.Unlock()
	if stop != nil {
		stop()
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
