package preset

import (
	"context"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/inside"
)

var _ holdfast.Observable = (*Stack)(nil)

// A hearing is somebody who listens to what Updates bring.
type hearing struct {
	f     func(ctx context.Context, e holdfast.Event)
	known map[any]bool   // what was inside when it began: whoever listens looks there, too
	stops map[any]func() // what has come since
}

// Watch has f told of what the policies tell that Updates bring among Outer and Inner, a new
// balancer, say, for as long as they are there, until stop is called. Those that are inside already
// tell for themselves: who listens looks inside, as observe.Watch does. The breaker is the same
// one for good.
func (s *Stack) Watch(f func(ctx context.Context, e holdfast.Event)) (stop func()) {
	if s.now() == nil || f == nil {
		return func() {}
	}
	h := &hearing{f: f, known: map[any]bool{}, stops: map[any]func(){}}
	s.mu.Lock()
	defer s.mu.Unlock()
	_, known := inside.Tellers[holdfast.Observable](s.now().list())
	for _, is := range known {
		h.known[is] = true
	}
	if s.heard == nil {
		s.heard = map[*hearing]bool{}
	}
	s.heard[h] = true
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.heard, h)
		h.follow(nil)
	}
}

// follow listens to what has come, and no longer to what has gone.
func (h *hearing) follow(policies []holdfast.Policy) {
	tell, known := inside.Tellers[holdfast.Observable](policies)
	stops := map[any]func(){}
	for i, is := range known {
		stop, heard := h.stops[is]
		switch {
		case is == nil || h.known[is]: // it cannot be told from what there was
		case heard:
			stops[is] = stop
		default:
			stops[is] = tell[i].Watch(h.f)
		}
	}
	for is, stop := range h.stops {
		if stops[is] == nil {
			stop()
		}
	}
	h.stops = stops
}
