package limit

import (
	"container/list"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/holdfast-go/holdfast/internal/keyed"
)

// A turn is that of a call in the queue of a bucket.
type turn struct {
	until
	target string
	came   uint64        // the number of those who have waited before it, in all buckets
	over   chan struct{} // closed when it has its token, or is refused
	no     refusal
	bucket atomic.Pointer[bucket] // others may put it into another one, with the locks of both
	at     *list.Element          // nil: it is over
}

// A refusal says why a call gets no token; the zero value: it gets one.
type refusal struct {
	reason string
	wait   time.Duration // what it would have had to wait
	rate   rate.Limit
}

// join takes a token that is there by now, or puts a call into the queue and returns its turn.
func (b *bucket) join(by until, o *RateOptions, target string) (*turn, refusal) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	b.serve(now)
	wait, limit := b.wait(max(b.queue.Len(), 1), now)
	if wait == 0 && b.queue.Len() == 0 && b.tokens.AllowN(now, 1) {
		return nil, refusal{}
	}
	switch reason := by.short(now, wait); {
	case o.Wait <= 0:
		return nil, refusal{"no token left", wait, limit}
	case b.queue.Len() >= o.Queue:
		return nil, refusal{"the queue is full", wait, limit}
	case reason != "":
		return nil, refusal{reason, wait, limit}
	}
	t := &turn{until: by, target: keyed.Shortened(target), over: make(chan struct{}), came: b.s.came.Add(1)}
	b.push(t, now)
	return t, refusal{}
}

// push puts a call into the queue; the lock is held.
func (b *bucket) push(t *turn, now time.Time) {
	t.bucket.Store(b)
	t.at = b.queue.PushBack(t)
	if b.waits != nil {
		b.waits[t.target]++
	}
	if b.waiting.Add(1); b.queue.Len() == 1 {
		b.reserve(now)
	}
	b.serve(now)
}

// pull takes a call out of the queue; the lock is held.
func (b *bucket) pull(t *turn, now time.Time) {
	b.remove(t)
	b.emptied(now)
	b.serve(now)
}

func (b *bucket) remove(t *turn) {
	b.queue.Remove(t.at)
	t.at = nil
	if b.waiting.Add(-1); b.waits != nil {
		less(b.waits, t.target)
	}
}

// An until says until when a call waits: by Wait, and by its context, which may have no deadline.
type until struct{ wait, deadline time.Time }

// short says why a call is not to wait that long; "": it is.
func (u until) short(now time.Time, wait time.Duration) string {
	switch {
	case wait > u.wait.Sub(now):
		return "the wait would be too long"
	case !u.deadline.IsZero() && u.deadline.Sub(now) <= wait:
		return "the wait would pass the deadline"
	}
	return ""
}

// lock locks the bucket for whose token t waits.
func (t *turn) lock() *bucket {
	for {
		b := t.bucket.Load()
		if b.mu.Lock(); t.bucket.Load() == b {
			return b
		}
		b.mu.Unlock()
	}
}

// leave takes out a call that waits no more. Where it has its token already, that goes to the
// first in the queue, or back.
func (t *turn) leave() {
	b := t.lock()
	defer b.mu.Unlock()
	now := time.Now()
	switch {
	case t.at != nil:
		b.pull(t, now)
		return
	case t.no.reason != "":
		return
	case b.queue.Len() > 0:
		b.end(b.first())
		b.emptied(now)
	default:
		b.giveBack(now)
	}
	b.serve(now)
}

func (b *bucket) first() *turn { return b.queue.Front().Value.(*turn) } //nolint:errcheck // there is nothing else in it

// end ends the turn of a call in the queue.
func (b *bucket) end(t *turn) {
	b.remove(t)
	close(t.over)
}

// makeUp is for how much time tokens are handed out late that came while nobody looked, since the
// timer was late or the process stood still: more than a Burst of a rate that is higher than timers
// are exact, and no flood after a pause.
const makeUp = 100 * time.Millisecond

// serve hands out the tokens that have come by now, each when it came and not when it was noticed,
// so that none is lost to a late timer; and sees to the timer.
func (b *bucket) serve(now time.Time) {
	for b.queue.Len() > 0 && !b.next.After(now) {
		b.end(b.first())
		if b.queue.Len() > 0 {
			at := b.next
			if earliest := now.Add(-makeUp); at.Before(earliest) {
				at = earliest
			}
			b.reserve(at)
		}
	}
	b.rewind(now)
}

// reserve takes the token of the first in the queue from the limiter, which may have to come yet.
func (b *bucket) reserve(at time.Time) {
	b.next = at.Add(b.tokens.ReserveN(at, 1).DelayFrom(at))
}

// giveBack puts a token back, as one of which less than none are taken. Reservation.Cancel would
// not: the time of the token may have come.
func (b *bucket) giveBack(now time.Time) { b.tokens.ReserveN(now, -1) }

// rewind has the timer run for the first in the queue.
func (b *bucket) rewind(now time.Time) {
	switch {
	case b.queue.Len() > 0 && b.timer != nil:
		b.timer.Reset(b.next.Sub(now))
	case b.queue.Len() > 0:
		b.timer = time.AfterFunc(b.next.Sub(now), b.look)
	case b.timer != nil:
		b.timer.Stop()
		b.timer = nil // the next one may be of another bubble of synctest
	}
}

// look is the timer's.
func (b *bucket) look() {
	b.mu.Lock()
	b.serve(time.Now())
	b.mu.Unlock()
	if b.waits != nil {
		b.settle()
	}
}
