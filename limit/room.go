package limit

import (
	"container/list"
	"sync"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/keyed"
)

// A room holds the calls under way, and those that wait in turn to be.
type room struct {
	rooms    *rooms
	target   string // whose alone it is; "" where it is of several
	release  func() // is exit for no guest: one for all calls, which then allocate none
	mu       sync.Mutex
	inside   int
	queue    list.List // of *waiter, in the order in which they came
	rejected uint64

	*guests // of what late targets share; else nil
}

// guests are the late targets in a room.
type guests struct {
	calls  map[uint64]guest // those inside, by their tokens
	tokens uint64
	inUse  map[string]int       // how many calls to a target are inside, those too that hold nothing yet
	waits  map[string]int       // how many wait
	fresh  map[*waiter]struct{} // were let in, and hold nothing yet: their targets may move, and they with them
}

// A guest is a call inside, with what it holds.
type guest struct {
	target string
	holds  *keyed.Entry[*room]
}

func newRoom(of *rooms, target string) *room {
	r := &room{rooms: of, target: target}
	r.release = func() { r.exit("") }
	return r
}

// newShared makes what late targets share.
func newShared(of *rooms) *room {
	r := newRoom(of, "")
	r.guests = &guests{calls: make(map[uint64]guest), inUse: make(map[string]int), waits: make(map[string]int), fresh: make(map[*waiter]struct{})}
	return r
}

// room reports whether one more may be inside; the lock is held.
func (r *room) room() bool {
	most := r.rooms.most.Load()
	return most < 0 || int64(r.inside) < most
}

// enter takes a place, or puts a call into the queue and returns it as one that waits. reason says
// why there is neither.
func (r *room) enter(o *InFlightOptions, target string, free <-chan struct{}) (w *waiter, reason string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.queue.Len() == 0 && r.room():
		r.admit(keyed.Shortened(target))
		return nil, ""
	case o.Wait <= 0:
		reason = "no room"
	case r.queue.Len() >= o.Queue:
		reason = "the queue is full"
	}
	if reason != "" {
		r.rejected++
		return nil, reason
	}
	w = &waiter{target: keyed.Shortened(target), let: make(chan struct{}), came: r.rooms.came.Add(1), free: free, ask: make(chan struct{}, 1)}
	r.push(w)
	return w, ""
}

// push puts a call into the queue; the lock is held.
func (r *room) push(w *waiter) {
	w.room.Store(r)
	w.at = r.queue.PushBack(w)
	if r.guests != nil {
		r.waits[w.target]++
	}
}

// pull takes a call out of the queue; the lock is held.
func (r *room) pull(w *waiter) {
	r.queue.Remove(w.at)
	w.at = nil
	if r.guests != nil {
		less(r.waits, w.target)
	}
	r.pass(w.free)
}

// pass has the first of those ask next who wait for the same place of an outer call; the lock is held.
func (r *room) pass(free <-chan struct{}) {
	for e := r.queue.Front(); e != nil && free != nil; e = e.Next() {
		if w := e.Value.(*waiter); w.free == free { //nolint:errcheck // there is nothing else in it
			w.wake()
			return
		}
	}
}

func less(n map[string]int, target string) {
	if n[target]--; n[target] == 0 {
		delete(n, target)
	}
}

// letIn lets in those who wait, in turn, while there is room; the lock is held.
func (r *room) letIn() {
	for r.queue.Len() > 0 && r.room() {
		w := r.queue.Front().Value.(*waiter) //nolint:errcheck // there is nothing else in it
		r.pull(w)
		if r.admit(w.target); r.guests != nil {
			r.fresh[w] = struct{}{}
		}
		close(w.let)
	}
}

// admit has one more be inside; the lock is held.
func (r *room) admit(target string) {
	if r.inside++; r.guests != nil {
		r.inUse[target]++
	}
}

// exit gives a place back, and with it that of a guest.
func (r *room) exit(target string) {
	r.mu.Lock()
	empty := r.out(target)
	r.mu.Unlock()
	if empty {
		r.rooms.emptied(r)
	}
}

// out has one leave. It reports whether that makes room for another target; the lock is held.
func (r *room) out(target string) (empty bool) {
	if r.inside--; r.guests != nil {
		less(r.inUse, target)
	}
	r.letIn()
	return r.inside == 0 && r != r.rooms.all && r.guests == nil
}

// Done gives the place of a call back whose answer is done.
func (r *room) Done(token uint64, _ holdfast.End) {
	if r.guests == nil {
		r.exit("")
		return
	}
	r.mu.Lock()
	g := r.calls[token]
	delete(r.calls, token)
	r.mu.Unlock()
	r.exit(g.target)
	g.holds.Release()
	r.mu.Lock()
	strangers := r.waits[g.target] > 0 && r.inUse[g.target] == 0
	r.mu.Unlock()
	if strangers { // are all that is waited for
		r.rooms.settle(g.target, r.rooms.spare.Load())
	}
}

// keep has a late target stay with r, where it is that, until the call that is inside gives back
// the token, by Done. It takes over e, which others are free to forget: r is not empty.
func (r *room) keep(e *keyed.Entry[*room], target string, w *waiter) (token uint64) {
	if r.guests == nil {
		release(e)
		return 0
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.fresh, w)
	r.tokens++
	r.calls[r.tokens] = guest{keyed.Shortened(target), e}
	return r.tokens
}

// let lets in who has room since the limit was changed.
func (r *room) let() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.letIn()
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
