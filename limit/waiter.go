package limit

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/pause"
)

// A waiter is a call in the queue of a room. Others may put it into that of another room, with the
// locks of both.
type waiter struct {
	target string
	came   uint64        // the number of waiters before it, in all rooms
	let    chan struct{} // closed when it is let in
	room   atomic.Pointer[room]
	at     *list.Element // nil: it has been let in

	free <-chan struct{} // closed when a place that an outer call has is back; nil: none has one
	ask  chan struct{}   // it is to ask for such a place now
}

// wake has it ask whether an outer call has a place that it could share.
func (w *waiter) wake() {
	select {
	case w.ask <- struct{}{}:
	default: // it is about to
	}
}

// elsewhere is for one that now waits in another room, of which outer calls may have other places. The
// lock of that is held.
func (w *waiter) elsewhere() {
	w.free = nil
	w.wake()
}

// A patience is what a call waits by.
type patience struct {
	timer *pause.Timer   // nil: it has not waited
	late  uint64         // other than 0: that it has found none is to be told
	call  *holdfast.Call // nil: it is of no call
	*sharing
}

// sharing is for a call that is made within another one.
type sharing struct {
	ctx  context.Context
	next holdfast.Handler
	res  holdfast.Result // errShared
}

// errShared says that a call was sent with the place of an outer one.
var errShared = errors.New("limit: sent with the place of an outer call")

// stop ends it.
func (p *patience) stop() {
	if p.timer != nil {
		p.timer.Stop()
	}
}

// waited ends it, and tells the call if it has waited.
func (p *patience) waited() {
	if p.stop(); p.timer != nil {
		p.call.Waited()
	}
}

// share sends the call if an outer one has a place in r that is free, after before. Where it is lent,
// free is closed when it is back.
func (p *patience) share(r *room, before func()) (ok bool, free <-chan struct{}) {
	p.res, ok, free = p.call.Share(p.ctx, func(ctx context.Context, call *holdfast.Call) holdfast.Result {
		before()
		p.waited()
		return p.next(ctx, call)
	}, r)
	return ok, free
}

// first reports whether nobody before w waits for the same place of an outer call.
func (w *waiter) first() bool {
	r := w.lock()
	defer r.mu.Unlock()
	for e := r.queue.Front(); e != nil && e != w.at; e = e.Next() {
		if e.Value.(*waiter).free == w.free { //nolint:errcheck // there is nothing else in it
			return false
		}
	}
	return true
}

// share is that of p. w keeps its turn where there is nothing to share, or else leaves after done.
func (w *waiter) share(p *patience, done func()) (ok bool, free <-chan struct{}) {
	r := w.room.Load()
	ok, free = p.share(r, func() {
		done()
		w.quit()
	})
	if !ok {
		now := w.lock()
		defer now.mu.Unlock()
		if was := w.free; now == r && was != free {
			w.free = free
			now.pass(was)
		}
	}
	return ok, free
}

// quit takes w out of the queue, or out of the room where it has been let in.
func (w *waiter) quit() {
	r := w.lock()
	empty := false
	if w.at != nil {
		r.pull(w)
	} else {
		empty = w.out(r)
	}
	r.mu.Unlock()
	if empty {
		r.rooms.emptied(r)
	}
}

// out has one leave that has been let in; the lock of r is held.
func (w *waiter) out(r *room) (empty bool) {
	if r.guests != nil {
		delete(r.fresh, w)
	}
	return r.out(w.target)
}

// lock locks the room in which w waits or is.
func (w *waiter) lock() *room {
	for {
		r := w.room.Load()
		if r.mu.Lock(); w.room.Load() == r {
			return r
		}
		r.mu.Unlock()
	}
}

// wait waits until w is let in. reason says why it is not; err is the error of ctx, or says what
// else there is.
func (w *waiter) wait(ctx context.Context, o *InFlightOptions, p *patience) (reason string, err error) {
	if p.timer == nil {
		p.timer = pause.Start(o.Wait)
	}
	done := func() {}
	if p.call != nil {
		ctx, done = p.call.Waiting(ctx)
		defer done()
	}
	r := w.lock()
	free := w.free
	r.mu.Unlock()
	for let := false; !let && reason == "" && err == nil; {
		ask := false
		select {
		case <-w.let:
			let = true
		case <-free:
			ask, free = w.first(), nil // else it is told when it is
		case <-w.ask:
			ask = p.sharing != nil
		case <-p.timer.C:
			if p.timer.Over() {
				reason = fmt.Sprintf("waited %v", o.Wait)
			}
		case <-ctx.Done():
			err = context.Cause(ctx)
		}
		if ask && ctx.Err() == nil {
			var ok bool
			if ok, free = w.share(p, done); ok {
				return "", errShared
			}
		}
	}
	if ctx.Err() != nil { // its time may have run out as it was let in
		err = context.Cause(ctx)
	}
	r = w.lock()
	empty := false
	switch {
	case w.at != nil:
		r.pull(w)
		r.rejected++
	case err != nil: // let in, now or at this very moment
		empty = w.out(r)
	default:
		reason = ""
	}
	r.mu.Unlock()
	if empty {
		r.rooms.emptied(r)
	}
	return reason, err
}
