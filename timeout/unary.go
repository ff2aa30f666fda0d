package timeout

import (
	"context"
	"time"

	"github.com/holdfast-go/holdfast/internal/clock"
	"github.com/holdfast-go/holdfast/internal/pause"
)

// A root is a bounded as the parent of the standard library's context beneath it, where
// the limit is a plain deadline. What is derived there must end as of a deadline, with
// context.DeadlineExceeded, and only a parent can have a context of the standard library
// do so. Its deadline, though, cannot be moved for a process that stood still; so the
// parent is ours. context.WithCancel hands it the function that ends the context
// (AfterFunc), which asks for Err: there it is known whether the time has come.
type root bounded

// A carrier is a context that has ended by the limit, for context.Cause to find.
type carrier struct{ context.Context }

var (
	open   = make(chan struct{}) // is never closed: nobody but the standard library waits for a root
	noStop = func() bool { return false }
)

// Deadline is that of the limit.
func (r *root) Deadline() (time.Time, bool) { return (*bounded)(r).Deadline() }

// Done returns a channel that is never closed.
func (r *root) Done() <-chan struct{} { return open }

// AfterFunc takes the function that ends what is beneath.
func (r *root) AfterFunc(f func()) (stop func() bool) {
	r.hang = f
	return noStop
}

// Err returns what ends the context beneath. It is asked by the function of AfterFunc
// alone, which runs when the limit's time seems to have come, or the parent has ended. A
// timer that ran late, or for a process that stood still meanwhile, waits here for as long
// as the limit is extended.
func (r *root) Err() error {
	c := (*bounded)(r)
	for {
		c.mu.Lock()
		if c.freed {
			c.mu.Unlock()
			return context.Canceled
		}
		if c.carrier.Load() != nil { // it has run out: no end that comes later counts
			c.mu.Unlock()
			return context.DeadlineExceeded
		}
		if err := c.above().Err(); err != nil {
			c.mu.Unlock()
			return err
		}
		seen := clock.Now()
		if due := c.armed.Load(); due > 0 {
			pause.Note(c.began+due, seen)
		}
		pause.Look(seen)
		now, due := c.since(), c.due()
		if due <= now || c.seen {
			cause := c.ranOut(c.state.Load(), now)
			ended, tell := context.WithCancelCause(context.Background())
			tell(cause)
			c.carrier.Store(&carrier{ended})
			c.ended = true
			c.mu.Unlock()
			return context.DeadlineExceeded
		}
		c.armed.Store(int64(due))
		inner := c.inner
		c.mu.Unlock()
		timer := time.NewTimer(due - now)
		select {
		case <-timer.C:
		case <-inner.Done(): // let go of, or the caller has given up
			timer.Stop()
		}
	}
}

// Value finds what the caller's context has, and the limit as the cause of an end that it
// has brought.
func (r *root) Value(key any) any {
	if ended := r.carrier.Load(); ended != nil {
		if v := ended.Value(key); v != nil {
			return v
		}
	}
	return r.parent.Value(key)
}

// hangBeneath makes the context beneath a limit that is a plain deadline; c.mu is held.
func (c *bounded) hangBeneath() {
	above, now, due := c.above(), c.since(), c.due()
	if due <= now { // unless this process stood still, and nobody has looked yet
		pause.Look(clock.Now())
		due = c.due()
	}
	switch {
	case above.Err() != nil: // there is nothing to be waited for
		c.inner, c.cancel = context.WithCancelCause(above)
		return
	case due <= now:
		c.ended = true
		var cancel context.CancelFunc
		c.inner, cancel = context.WithDeadlineCause(above, clock.Time(c.began), c.ranOut(c.state.Load(), now))
		c.cancel = func(error) { cancel() }
		return
	}
	c.inner, c.cancel = context.WithCancelCause((*root)(c))
	c.armed.Store(int64(due))
	c.ring(due - now)
	if linked, ok := above.(interface {
		AfterFunc(f func()) (stop func() bool)
	}); ok { // what it costs is its own matter
		c.unlink = linked.AfterFunc(c.hang)
	} else if above.Done() != nil {
		c.unlink = context.AfterFunc(above, c.hang)
	}
}
