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
}

// A patience is what a call waits by, which may be several times.
type patience struct {
	free  <-chan struct{} // closed when there is something else to be had: errFree
	timer *pause.Timer    // of the first wait on; nil: it has not waited
	asked bool            // it was counted if it has found no room of its own
	late  uint64          // other than 0: that it has found none is to be told
	call  *holdfast.Call  // nil: it is of no call
}

// errFree ends a wait since there is something else.
var errFree = errors.New("limit: what an outer call has is free")

// stop ends it.
func (p *patience) stop() {
	if p.timer != nil {
		p.timer.Stop()
	}
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
	if p.call != nil {
		var done func()
		ctx, done = p.call.Waiting(ctx)
		defer done()
	}
	for let := false; !let && reason == "" && err == nil; {
		select {
		case <-w.let:
			let = true
		case <-p.free:
			err = errFree
		case <-p.timer.C:
			if p.timer.Over() {
				reason = fmt.Sprintf("waited %v", o.Wait)
			}
		case <-ctx.Done():
			err = context.Cause(ctx)
		}
	}
	if ctx.Err() != nil { // its time may have run out as it was let in
		err = context.Cause(ctx)
	}
	r := w.lock()
	let, empty := w.at == nil, false // let in, now or at this very moment
	switch {
	case !let:
		r.pull(w)
		if err != errFree {
			r.rejected++
		}
	case err != nil:
		if r.guests != nil {
			delete(r.fresh, w)
		}
		empty = r.out(w.target)
	default:
		reason = ""
	}
	r.mu.Unlock()
	if empty {
		r.rooms.emptied(r)
	}
	return reason, err
}
