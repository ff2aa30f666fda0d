package limit

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/pause"
)

// A room holds the calls under way, and those that wait in turn to be.
type room struct {
	most     *atomic.Int64 // how many may be inside when one of those who wait is let in; negative: all
	release  func()        // is exit: one for all calls, which then allocate none
	mu       sync.Mutex
	inside   int
	queue    []*waiter
	rejected uint64
}

func newRoom(most *atomic.Int64) *room {
	r := &room{most: most}
	r.release = r.exit
	return r
}

type waiter struct{ let chan struct{} }

// A patience is what a call waits by, which may be several times.
type patience struct {
	free  <-chan struct{} // closed when there is something else to be had: errFree
	timer *pause.Timer    // of the first wait on; nil: it has not waited
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

// enter takes a place, or waits for one. reason says why there is none; err is
// the error of ctx.
func (r *room) enter(ctx context.Context, o *InFlightOptions, p *patience) (reason string, err error) {
	r.mu.Lock()
	if r.inside < o.Max && len(r.queue) == 0 {
		r.inside++
		r.mu.Unlock()
		return "", nil
	}
	return r.queueUp(ctx, o, p)
}

// queueUp waits in turn, if there is a queue and room in it; the lock is held, and
// given back.
func (r *room) queueUp(ctx context.Context, o *InFlightOptions, p *patience) (reason string, err error) {
	switch {
	case o.Wait <= 0:
		reason = "no room"
	case len(r.queue) >= o.Queue:
		reason = "the queue is full"
	}
	if reason != "" {
		r.rejected++
		r.mu.Unlock()
		return reason, nil
	}
	w := &waiter{make(chan struct{})}
	r.queue = append(r.queue, w)
	r.mu.Unlock()
	return r.wait(ctx, o, w, p)
}

func (r *room) wait(ctx context.Context, o *InFlightOptions, w *waiter, p *patience) (reason string, err error) {
	if p.timer == nil {
		p.timer = pause.Start(o.Wait)
	}
	if p.call != nil {
		var done func()
		ctx, done = p.call.Waiting(ctx)
		defer done()
	}
	let := false
	for !let && reason == "" && err == nil {
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
	r.mu.Lock()
	defer r.mu.Unlock()
	i := slices.Index(r.queue, w)
	if i < 0 { // let in, now or at this very moment
		if err == nil {
			return "", nil
		}
		r.inside--
		r.letIn()
		return "", err
	}
	r.queue = slices.Delete(r.queue, i, i+1)
	if err != errFree {
		r.rejected++
	}
	return reason, err
}

// letIn lets in those who wait, in turn, while there is room; the lock is held.
func (r *room) letIn() {
	most := int(r.most.Load())
	for len(r.queue) > 0 && (most < 0 || r.inside < most) {
		r.inside++
		close(r.queue[0].let)
		r.queue = slices.Delete(r.queue, 0, 1)
	}
}

func (r *room) exit() {
	r.mu.Lock()
	r.inside--
	if len(r.queue) > 0 {
		r.letIn()
	}
	r.mu.Unlock()
}

// Done gives the place of a call back whose answer is done.
func (r *room) Done(uint64, holdfast.End) { r.exit() }

// let lets in who has room since the limit was changed.
func (r *room) let() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.letIn()
}

func (r *room) ready(most int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.inside < most
}

func (r *room) try(most int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.inside >= most {
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
	return r.inside == 0 && len(r.queue) == 0
}

func (r *room) stats() InFlightStats {
	r.mu.Lock()
	defer r.mu.Unlock()
	return InFlightStats{r.inside, len(r.queue), r.rejected}
}
