package limit

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/keyed"
	"github.com/holdfast-go/holdfast/internal/pause"
)

// A room holds the calls under way, and those that wait in turn to be.
type room struct {
	most     *atomic.Int64 // how many may be inside; negative: all
	release  func()        // is exit: one for all calls, which then allocate none
	mu       sync.Mutex
	inside   int
	queue    list.List // of *waiter, in the order in which they came
	rejected uint64

	// Of what late targets share alone.
	moved  chan struct{}                  // closed when there may be room for some of them; else nil
	guests map[uint64]*keyed.Entry[*room] // what calls inside hold, by their tokens
	tokens uint64
}

func newRoom(most *atomic.Int64) *room {
	r := &room{most: most}
	r.release = r.exit
	return r
}

// newShared makes what late targets share.
func newShared(most *atomic.Int64) *room {
	r := newRoom(most)
	r.moved, r.guests = make(chan struct{}), make(map[uint64]*keyed.Entry[*room])
	return r
}

// A waiter is a call in the queue.
type waiter struct {
	let   chan struct{} // closed when it is let in
	moved chan struct{} // of its room
	at    *list.Element // nil: it has been let in
}

// A patience is what a call waits by, which may be several times.
type patience struct {
	free  <-chan struct{} // closed when there is something else to be had: errFree
	timer *pause.Timer    // of the first wait on; nil: it has not waited
	late  uint64          // other than 0: that it found no room of its own is to be told
	call  *holdfast.Call  // nil: it is of no call
}

// These end a wait since there is something else.
var (
	errFree  = errors.New("limit: what an outer call has is free")
	errMoved = errors.New("limit: the target has a limit of its own now")
)

// stop ends it.
func (p *patience) stop() {
	if p.timer != nil {
		p.timer.Stop()
	}
}

// room reports whether one more may be inside; the lock is held.
func (r *room) room() bool {
	most := r.most.Load()
	return most < 0 || int64(r.inside) < most
}

// enter takes a place, or puts a call into the queue and returns it as one that waits. reason says
// why there is neither.
func (r *room) enter(o *InFlightOptions) (w *waiter, reason string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.queue.Len() == 0 && r.room():
		r.inside++
		return nil, ""
	case o.Wait <= 0:
		reason = "no room"
	case r.queue.Len() >= o.Queue:
		reason = "the queue is full"
	default:
		w = &waiter{let: make(chan struct{}), moved: r.moved}
		w.at = r.queue.PushBack(w)
		return w, ""
	}
	r.rejected++
	return nil, reason
}

// wait waits until w is let in. reason says why it is not; err is the error of ctx, or says what
// else there is. stays reports whether the target still shares r.
func (r *room) wait(ctx context.Context, o *InFlightOptions, w *waiter, p *patience, stays func() bool) (reason string, err error) {
	if p.timer == nil {
		p.timer = pause.Start(o.Wait)
	}
	if p.call != nil {
		var done func()
		ctx, done = p.call.Waiting(ctx)
		defer done()
	}
	moved, let := w.moved, false
	for !let && reason == "" && err == nil {
		if moved != nil && !stays() {
			err = errMoved
			break
		}
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
		case <-moved:
			moved = r.changed()
		}
	}
	if ctx.Err() != nil { // its time may have run out as it was let in
		err = context.Cause(ctx)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if w.at == nil { // let in, now or at this very moment
		if err == nil {
			return "", nil
		}
		r.inside--
		r.letIn()
		return "", err
	}
	r.queue.Remove(w.at)
	if err != errFree && err != errMoved {
		r.rejected++
	}
	return reason, err
}

// letIn lets in those who wait, in turn, while there is room; the lock is held.
func (r *room) letIn() {
	for r.queue.Len() > 0 && r.room() {
		r.inside++
		w := r.queue.Remove(r.queue.Front()).(*waiter) //nolint:errcheck // there is nothing else in it
		w.at = nil
		close(w.let)
	}
}

func (r *room) exit() {
	r.mu.Lock()
	r.inside--
	r.letIn()
	r.mu.Unlock()
}

// Done gives the place of a call back whose answer is done.
func (r *room) Done(token uint64, _ holdfast.End) {
	r.exit()
	if token == 0 {
		return
	}
	r.mu.Lock()
	e := r.guests[token]
	delete(r.guests, token)
	r.mu.Unlock()
	e.Release()
}

// keep has a late target stay with r, where it is that, until the call that is inside gives back
// the token, by Done. It takes over e, which others are free to forget: r is not empty.
func (r *room) keep(e *keyed.Entry[*room]) (token uint64) {
	if r.guests == nil {
		release(e)
		return 0
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tokens++
	r.guests[r.tokens] = e
	return r.tokens
}

// let lets in who has room since the limit was changed, and has late targets look whether they
// have a room of their own.
func (r *room) let() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.letIn()
	if r.moved != nil {
		close(r.moved)
		r.moved = make(chan struct{})
	}
}

// changed returns what is closed at the next change.
func (r *room) changed() chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.moved
}

func (r *room) ready() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.room()
}

func (r *room) try() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.room() {
		r.rejected++
		return false
	}
	r.inside++
	return true
}

// empty reports whether the room may be forgotten.
func (r *room) empty() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.inside == 0 && r.queue.Len() == 0
}

func (r *room) stats() InFlightStats {
	r.mu.Lock()
	defer r.mu.Unlock()
	return InFlightStats{r.inside, r.queue.Len(), r.rejected}
}
