package loadbalance

import (
	"context"

	"github.com/holdfast-go/holdfast/internal/pause"
)

// await picks a node. Where none is well it waits for one, or for the turn to show whether
// one is back, for Options.Await at most; then any node will do. It returns why ctx has
// ended, if it has, or that the client is closed.
func (s *Set) await(ctx context.Context, info PickInfo) (picked Picked, ok bool, err error) {
	if s.o.Await <= 0 || s.well() {
		picked, ok = s.Pick(info)
		return picked, ok, nil
	}
	timer := pause.Start(s.o.Await)
	defer timer.Stop()
	wait, done := info.Call.Waiting(ctx)
	defer done()
	for {
		changed := s.change()
		// All who wait wake up at once, and one of them gets the turn.
		info.patient = !s.well()
		if picked, ok = s.Pick(info); ok || !info.patient {
			return picked, ok, nil
		}
		info.Call.Waited()
		select {
		case <-changed:
		case <-timer.C:
			if timer.Over() {
				info.patient = false
				picked, ok = s.Pick(info)
				return picked, ok, nil
			}
		case <-s.closed:
		case <-wait.Done():
		}
		if err := s.ended(ctx, wait); err != nil {
			return Picked{}, false, err
		}
	}
}

// well reports whether some node is.
func (p *Pool) well() bool {
	s := p.now.Load()
	return s != nil && s.well
}

// change returns what is closed when the nodes that may be picked change.
func (p *Pool) change() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.changed == nil {
		p.changed = make(chan struct{})
	}
	return p.changed
}

// wake lets those who wait look again.
func (p *Pool) wake() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.announce()
}

// announce tells those who wait for a change; the lock is held.
func (p *Pool) announce() {
	if p.changed != nil {
		close(p.changed)
		p.changed = nil
	}
}
