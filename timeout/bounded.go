package timeout

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/attempt"
	"github.com/holdfast-go/holdfast/internal/clock"
	"github.com/holdfast-go/holdfast/internal/pause"
)

// terms are what limits one call. A limit of 0 is none.
type terms struct {
	began         int64 // by clock.Now
	limit, idle   time.Duration
	learns        *adaptive // what the call took is told to; nil: nothing learns of it
	of            *entry    // of the target, which is held until the call is over; nil: it has none
	whole         bool      // the limit covers the answer to its end
	unary, stream bool
	named         bool // the idle limit was asked for by name
	streams       bool // the limit covers a stream to its end as well
}

// A bounded is the context of one call under a limit and, as a watch, the
// ProgressHook of its Reply: one allocation for all that most calls need.
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
	shown atomic.Bool  // the answer has turned out to be a stream; written under mu
	armed atomic.Int64 // when the timer will run, since it began; 0: there is none

	mu     sync.Mutex
	reads  bool                    // an answer is read: pauses are looked for
	ended  bool                    // out of time, or let go of: no timer is to be set again
	freed  bool                    // let go of
	seen   bool                    // somebody has been told that the time has come: it does not move any more
	inner  context.Context         // nil until it is asked for
	cancel context.CancelCauseFunc // there with inner

	timer *alarm // nil: there is none
	late  keeper // the answer, where it can be kept for a first read that comes late

	cause error // what the context ends because of, where cancel is to be told

	// Of a limit that is a plain deadline; see root.
	hang    func() // ends inner
	carrier atomic.Pointer[carrier]
	unlink  func() bool // from the caller's context
}

type boundedKey struct{}

var _ context.Context = (*bounded)(nil)

// since is the time since it began.
func (c *bounded) since() time.Duration { return c.sinceAt(clock.Now()) }

func (c *bounded) sinceAt(now int64) time.Duration { return time.Duration(now - c.began) }

// fixed reports whether the limit is a plain deadline for all of the call.
func (c *bounded) fixed() bool {
	return c.limit > 0 && c.idle == 0 && (c.unary || c.whole)
}

// ends returns when the limit runs out, by clock.Now, as it is at present, if it is a
// deadline to be seen: after an attempt's answer has come it binds no more, and for a
// stream it must not go on the wire. The caller's may be nearer where extended is true.
func (c *bounded) ends() (at int64, extended, ok bool) {
	if c.limit == 0 || !c.whole && (c.stream || c.phase() != asking) || c.shown.Load() && !c.streams {
		return 0, false, false
	}
	more := c.extension(0, c.limit)
	return c.began + int64(plus(c.limit, more)), more > 0, true
}

// timedOut makes the error of the limit.
func (c *bounded) timedOut() *holdfast.TimeoutError {
	scope := "attempt"
	if c.whole {
		scope = "call"
	}
	return c.call.TimedOut(c.limit, scope)
}

// Deadline returns the limit's or the caller's, whichever is nearer.
func (c *bounded) Deadline() (time.Time, bool) {
	at, extended, ok := c.ends()
	if !ok {
		return c.parent.Deadline()
	}
	deadline := clock.Time(at)
	if extended { // which the caller's is not
		if theirs, has := c.parent.Deadline(); has && theirs.Before(deadline) {
			return theirs, true
		}
	}
	return deadline, true
}

// left returns the time until the deadline of ctx; never, where it has none.
func left(ctx context.Context, now int64) time.Duration {
	if c, ours := ctx.(*bounded); ours { // without a look at the clock
		if at, extended, ok := c.ends(); ok && !extended {
			return time.Duration(at - now)
		}
	}
	if deadline, ok := ctx.Deadline(); ok {
		return time.Until(deadline)
	}
	return never
}

// Done returns the channel that is closed when the limit runs out, the caller
// gives up, or the call is over.
func (c *bounded) Done() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.real().Done()
}

// Err returns context.DeadlineExceeded once a limit has run out.
func (c *bounded) Err() error { return c.errAt(clock.Now()) }

func (c *bounded) errAt(now int64) error {
	c.mu.Lock()
	due := !c.ended && c.isDue(now)
	if !c.ended && !due && c.parentErr(now) == nil {
		c.mu.Unlock()
		return nil
	}
	inner, hang, cancel, cause, over := c.real(), c.hang, c.cancel, c.cause, c.ended
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

// parentErr asks the caller's context, and one of ours without another look at the clock.
func (c *bounded) parentErr(now int64) error {
	if p, ours := c.parent.(*bounded); ours {
		return p.errAt(now)
	}
	return c.parent.Err()
}

// isDue reports whether the time has come. c.mu is held.
func (c *bounded) isDue(now int64) bool {
	if c.sinceAt(now) < c.least() {
		return false
	}
	pause.Look(now) // this process may have stood still, and nobody has looked yet
	return c.sinceAt(now) >= c.due()
}

// Value finds what the caller's context has.
func (c *bounded) Value(key any) any {
	switch key {
	case boundedKey{}:
		return c
	case attempt.EndsKey{}:
		if c.whole {
			return nil // it outlives the answers that are discarded
		}
		return c.call.Record
	case attempt.LimitKey{}:
		if at, _, ok := c.ends(); ok {
			if theirs, has := c.parent.Deadline(); !has || clock.Time(at).Before(theirs) {
				return c.timedOut()
			}
		}
		return c.parent.Value(key)
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
	hang, linked := c.hang, c.unlink != nil
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
	again := c.freed
	c.ended, c.freed = true, true
	c.timer.stop()
	c.timer = nil
	cancel, unlink := c.cancel, c.unlink
	c.mu.Unlock()
	if !again && c.of != nil {
		c.of.Release()
	}
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
