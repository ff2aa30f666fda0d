package limit

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/keyed"
)

// rooms are those of an InFlight, and of all that With has made of it. Locks are taken in this
// order: of rooms, of the table, of a room, and of one into which waiters of that move.
type rooms struct {
	mu    sync.Mutex   // of a change: what is in force is of one of them, and not of several
	most  atomic.Int64 // of the latest of them, which all go by
	each  atomic.Bool  // PerTarget, likewise
	all   *room        // without PerTarget
	leave func(holdfast.Class, time.Duration)
	table keyed.Table[*room]
	late  atomic.Pointer[room] // what late targets share; nil: there was none yet
	spare atomic.Pointer[room] // has made room for one of them, at the latest; nil: none has
	came  atomic.Uint64        // how many have waited
}

func newRooms() *rooms {
	s := new(rooms)
	s.all = newRoom(s, "")
	s.leave = func(holdfast.Class, time.Duration) { s.all.exit("") }
	s.table.New = func(target string) *room { return newRoom(s, target) }
	s.table.Shared = func() *room {
		r := newShared(s)
		s.late.Store(r)
		return r
	}
	s.table.Moved = (*room).welcome
	s.table.Idle = (*room).empty
	return s
}

// hold returns the room of target, and its entry, which the table keeps until it is released; nil:
// it is in none.
func (s *rooms) hold(target string, p *patience) (*room, *keyed.Entry[*room]) {
	if !s.each.Load() {
		return s.all, nil
	}
	e, late := s.table.Hold(target)
	p.late = late
	return e.Value, e
}

// find returns the room of target, if there is one.
func (s *rooms) find(target string) *room {
	if !s.each.Load() {
		return s.all
	}
	r, _ := s.table.Find(target)
	return r
}

// set has all go by other options.
func (s *rooms) set(o *InFlightOptions) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.most.Store(int64(o.Max))
	s.each.Store(o.PerTarget)
	s.table.Resize(o.MaxTargets)
	for _, w := range s.waiting() {
		s.move(w)
	}
	s.all.let()
	s.table.Each(func(_ string, r *room) bool { r.let(); return true })
}

// waiting returns those who wait where they may not any more, in the order in which they came.
func (s *rooms) waiting() (waiters []*waiter) {
	add := func(_ string, r *room) bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		for e := r.queue.Front(); e != nil && (r.guests != nil || s.stale(r)); e = e.Next() {
			waiters = append(waiters, e.Value.(*waiter)) //nolint:errcheck // there is nothing else in it
		}
		return true
	}
	add("", s.all)
	s.table.Each(add)
	slices.SortFunc(waiters, func(a, b *waiter) int { return cmp.Compare(a.came, b.came) })
	return waiters
}

// stale reports whether calls that begin go elsewhere, since PerTarget has changed.
func (s *rooms) stale(r *room) bool { return (r == s.all) == s.each.Load() }

// move has one that waits do so where it belongs.
func (s *rooms) move(w *waiter) {
	if !s.each.Load() {
		s.all.take(w)
		return
	}
	e := s.table.HoldAgain(w.target, "")
	e.Value.take(w)
	e.Release()
}

// take has one wait in r that waits elsewhere.
func (r *room) take(w *waiter) {
	from := w.room.Load() // with the lock of rooms nobody else moves it, but for welcome
	if from == r {
		return
	}
	from.mu.Lock()
	defer from.mu.Unlock()
	if w.room.Load() != from || w.at == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	from.pull(w)
	r.push(w)
	w.elsewhere()
	r.letIn()
}

// welcome has those who wait for the same target in what late targets share come over into r, which
// has just been made, and with their places those who were let in there and hold nothing yet. Nobody
// is there any more whose target has a room of its own.
func (r *room) welcome(shared *room) {
	shared.mu.Lock()
	defer shared.mu.Unlock()
	if shared.waits[r.target] == 0 && shared.inUse[r.target] == 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for w := range shared.fresh {
		if w.target == r.target {
			delete(shared.fresh, w)
			w.room.Store(r)
			r.inside++
			shared.inside--
			less(shared.inUse, w.target)
		}
	}
	for e := shared.queue.Front(); e != nil; {
		w := e.Value.(*waiter) //nolint:errcheck // there is nothing else in it
		if e = e.Next(); w.target == r.target {
			shared.pull(w)
			r.push(w)
			w.elsewhere()
		}
	}
	r.letIn()
	shared.letIn()
}

// look is for one that has just begun to wait, and may have been overtaken by a change.
func (s *rooms) look(w *waiter) {
	r := w.room.Load()
	if s.stale(r) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.move(w)
	} else if spare := s.spare.Load(); r.guests != nil && spare != nil && spare.empty() {
		s.settle(w.target, spare)
	}
}

// emptied notes that all have left the room of a target, which makes room for a late one: the first
// that waits for strangers, of whose target none is under way among them.
func (s *rooms) emptied(r *room) {
	late := s.late.Load()
	if late == nil {
		return
	}
	s.spare.Store(r)
	if target, ok := late.next(); ok {
		s.settle(target, r)
	}
}

// next returns the target of the first that waits and might have a room of its own.
func (r *room) next() (target string, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for e := r.queue.Front(); e != nil; e = e.Next() {
		w := e.Value.(*waiter) //nolint:errcheck // there is nothing else in it
		if r.inUse[w.target] == 0 {
			return w.target, true
		}
	}
	return "", false
}

// settle gives a late target a room of its own if there is one, in the place of spare where that is
// to be had.
func (s *rooms) settle(target string, spare *room) {
	instead := ""
	if spare != nil {
		instead = spare.target
	}
	s.table.HoldAgain(target, instead).Release()
}
