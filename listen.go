package holdfast

import (
	"context"
	"sync/atomic"
)

// A Listener is told of Events. Make one with NewListener and keep it. It is safe
// for concurrent use.
type Listener struct {
	f     func(context.Context, Event)
	of    *Listener // what it is a link of; itself, when it is the first
	outer *Listener // told before it
	last  atomic.Pointer[Listener]
}

// NewListener makes a Listener of a function, which is called with the caller's
// context, on the caller's goroutine or a hedge's, with no lock held. It must be
// safe for concurrent use, and quick: the call waits for it.
func NewListener(f func(ctx context.Context, e Event)) *Listener {
	l := &Listener{f: f}
	l.of = l
	return l
}

// Listen has l told of what is decided about this request from now on, after those
// that listen already. A second time it does nothing. It is for policies that
// observe; it allocates nothing but for a chain of listeners that is new.
func (r *Record) Listen(l *Listener) {
	if l == nil || l.f == nil {
		return
	}
	for {
		outer := r.listener.Load()
		for at := outer; at != nil; at = at.outer {
			if at.of == l.of {
				return
			}
		}
		link := l
		if outer != nil {
			if link = l.last.Load(); link == nil || link.outer != outer {
				link = &Listener{f: l.f, of: l.of, outer: outer}
				l.last.Store(link)
			}
		}
		if r.listener.CompareAndSwap(outer, link) {
			return
		}
	}
}

// Heard reports whether anybody listens: ask before an Event is made.
func (c *Call) Heard() bool { return c.Record.listener.Load() != nil }

// Tell tells the listeners of the request, the outermost first. It is called with
// no lock held. A listener that panics stops no other; the panic then goes on its
// way.
func (c *Call) Tell(ctx context.Context, e Event) { c.Record.listener.Load().tell(ctx, e) }

func (l *Listener) tell(ctx context.Context, e Event) {
	if l == nil {
		return
	}
	defer l.f(ctx, e)
	l.outer.tell(ctx, e)
}

// Observable is a policy that tells of changes of its own state, which belong to no
// call: a breaker, a balancer. A Group tells of itself alone: who listens looks inside. Several
// that tell of the same, as those do that With makes of each other, have a method Owner() any, which
// returns a pointer to that: who listens to one of them has heard all.
type Observable interface {
	// Watch has f told of what happens from now on, in order, with no lock held,
	// until stop is called.
	Watch(f func(ctx context.Context, e Event)) (stop func())
}
