package loadbalance

import (
	"context"
	"time"
)

// await waits until there is a node that is well, or one that is to be asked whether
// it is back: for Options.Await at most. It returns why ctx has ended, if it has.
func (s *Set) await(ctx context.Context) error {
	if s.o.Await <= 0 || s.promising() {
		return nil
	}
	timer := time.NewTimer(s.o.Await)
	defer timer.Stop()
	for {
		changed := s.change()
		if s.promising() {
			return nil
		}
		select {
		case <-changed:
		case <-timer.C:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// promising reports whether a pick would find more than nodes that are ill.
func (p *Pool) promising() bool {
	s := p.now.Load()
	if s == nil {
		return false
	}
	for _, n := range s.probes {
		if last := n.state.probing.Load(); last == 0 || monotonic()-last >= overdue {
			return true
		}
	}
	return s.well
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
