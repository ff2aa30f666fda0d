package limit

import (
	"container/list"
	"time"

	"golang.org/x/time/rate"
)

// A turn is that of a call in the queue.
type turn struct {
	until
	over  chan struct{} // closed when it has its token, or is refused
	moved chan struct{} // of its bucket
	no    refusal
	at    *list.Element // nil: it is over
}

// A refusal says why a call gets no token; the zero value: it gets one.
type refusal struct {
	reason string
	wait   time.Duration // what it would have had to wait
	rate   rate.Limit
}

// join takes a token that is there by now, or puts a call into the queue and returns its turn.
func (b *bucket) join(by until, o *RateOptions) (*turn, refusal) {
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
	t := &turn{over: make(chan struct{}), until: by, moved: b.moved}
	t.at = b.queue.PushBack(t)
	if b.waiting.Add(1); b.queue.Len() == 1 {
		b.reserve(now)
	}
	b.serve(now)
	return t, refusal{}
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

// leave takes out a call that waits no more. Where it has its token already, that goes to the
// first in the queue, or back.
func (b *bucket) leave(t *turn) {
	if b.quit(t) || t.no.reason != "" {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	if b.queue.Len() > 0 {
		b.end(b.first())
		b.emptied(now)
	} else {
		b.giveBack(now)
	}
	b.serve(now)
}

// quit takes a call out of the queue; it reports false where its turn is over already.
func (b *bucket) quit(t *turn) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if t.at == nil {
		return false
	}
	now := time.Now()
	b.end(t)
	b.emptied(now)
	b.serve(now)
	return true
}

func (b *bucket) first() *turn { return b.queue.Front().Value.(*turn) } //nolint:errcheck // there is nothing else in it

// end ends the turn of a call in the queue.
func (b *bucket) end(t *turn) {
	b.queue.Remove(t.at)
	t.at = nil
	b.waiting.Add(-1)
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
	defer b.mu.Unlock()
	b.serve(time.Now())
}
