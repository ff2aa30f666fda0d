package holdfast

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// A passing is a call that has passed a Gate: an entry in the list of those under way, the Hook
// that takes it off, and the context by which it can be ended. It is a part of the Record, so that
// it costs no allocation. A context of the standard library comes to be beneath it only when
// somebody asks for Done, which a limit of ours further in does not.
type passing struct {
	gate         *Gate
	of           *Record
	next, before *passing
	outer        *passing // of an earlier gate; nil: none
	caller       context.Context
	shard        uint8

	touched atomic.Bool // there is more to it than the caller's context

	mu     sync.Mutex
	over   bool
	cause  error
	inner  context.Context
	cancel context.CancelCauseFunc // there with inner
	after  func()                  // of AfterFunc, where it needs no inner
	wait   []*waiting
}

// A waiting is a wait that ends when the gate is closed.
type waiting struct{ cancel context.CancelCauseFunc }

type passingKey struct{}

var _ context.Context = (*passing)(nil)

// A leaving is a passing as the Hook that takes it off the list.
type leaving passing

// Done takes the call off the list: it is over.
func (l *leaving) Done(uint64, End) {
	p := (*passing)(l)
	p.end(nil)
	p.gate.leave(p)
}

// end ends the context, with context.Canceled as the cause when it is nil. Only the first call
// does anything; it alone returns true.
func (p *passing) end(cause error) bool {
	p.mu.Lock()
	if p.over {
		p.mu.Unlock()
		return false
	}
	p.over, p.cause = true, cause
	p.touched.Store(true)
	cancel, after := p.cancel, p.after
	p.after = nil
	p.mu.Unlock()
	if cancel != nil {
		cancel(cause)
	}
	if after != nil && cause != nil { // else the call is over, and what stands further in has let go
		after()
	}
	return true
}

// passingOf returns what c has passed last; nil: no Gate. A call that is made within c, and has
// another Record, has not passed it.
func passingOf(ctx context.Context, c *Call) *passing {
	if p, ok := ctx.Value(passingKey{}).(*passing); ok && p.of == c.Record {
		return p
	}
	return nil
}

// waits adds a wait, which ends at once where the gate is closed already.
func (p *passing) waits(w *waiting) {
	p.mu.Lock()
	p.wait = append(p.wait, w)
	p.mu.Unlock()
	if p.gate.shut.Load() {
		w.cancel(ErrClosed)
	}
}

// waited takes it off again.
func (p *passing) waited(w *waiting) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wait = slices.DeleteFunc(p.wait, func(other *waiting) bool { return other == w })
}

// release ends the waits.
func (p *passing) release() {
	p.mu.Lock()
	wait := slices.Clone(p.wait)
	p.mu.Unlock()
	for _, w := range wait {
		w.cancel(ErrClosed)
	}
}

// wasCut reports whether the call was ended by its Gate.
func (p *passing) wasCut() bool {
	if !p.touched.Load() {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cause == ErrClosed
}

// AfterFunc has f run once the call is ended, as context.AfterFunc does; it saves a limit further
// in the context beneath. f may run after stop as well, and twice.
func (p *passing) AfterFunc(f func()) (stop func() bool) {
	p.mu.Lock()
	p.touched.Store(true)
	if p.over || p.after != nil {
		inner := p.real()
		p.mu.Unlock()
		return context.AfterFunc(inner, f)
	}
	p.after = f
	p.mu.Unlock()
	if p.caller.Done() != nil {
		return context.AfterFunc(p.caller, f)
	}
	return noStop
}

var noStop = func() bool { return false }

// real returns the context beneath, made if need be; the lock is held.
func (p *passing) real() context.Context {
	if p.inner == nil {
		p.touched.Store(true)
		p.inner, p.cancel = context.WithCancelCause(p.caller)
		if p.over {
			p.cancel(p.cause)
		}
	}
	return p.inner
}

// Deadline is the caller's.
func (p *passing) Deadline() (time.Time, bool) { return p.caller.Deadline() }

// Done returns the channel that is closed when the call is over or ended, or the caller gives up.
func (p *passing) Done() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.real().Done()
}

// Err returns what has ended the call.
func (p *passing) Err() error {
	if !p.touched.Load() {
		return p.caller.Err()
	}
	p.mu.Lock()
	inner, over := p.inner, p.over
	p.mu.Unlock()
	outer := p.caller.Err()
	if inner != nil {
		if err := inner.Err(); err != nil && (over || outer != context.DeadlineExceeded) {
			return err // else of a limit that moves, which ends what is beneath by a cancel
		}
	}
	if outer != nil || !over {
		return outer
	}
	return context.Canceled
}

// Value finds what the caller's context has. context.Cause comes this way.
func (p *passing) Value(key any) any {
	if key == (passingKey{}) {
		return p
	}
	if p.touched.Load() {
		p.mu.Lock()
		inner := p.inner
		if inner == nil && p.over {
			inner = p.real()
		}
		p.mu.Unlock()
		if inner != nil {
			return inner.Value(key)
		}
	}
	return p.caller.Value(key)
}

// String describes the context without looking into what others write to.
func (p *passing) String() string { return fmt.Sprintf("%v.holdfast/gate", p.caller) }
