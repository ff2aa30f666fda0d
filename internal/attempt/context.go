// Package attempt has the context of one attempt, or of a whole call, which whoever sends it can end.
package attempt

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
)

// A Context is that of one attempt. A context of the standard library comes to be
// beneath it only when somebody asks for Done, which includes deriving a context:
// what nobody waits for need not be woken. Contexts derived from it are those of the
// standard context's kin, so they start no goroutine. It is ready once its parent is
// set, which is not to be changed then; it must not be copied.
type Context struct {
	context.Context // the parent

	touched atomic.Bool // there is more to it than the parent

	mu     sync.Mutex
	over   bool
	cause  error
	inner  context.Context
	cancel context.CancelCauseFunc // there with inner
	after  func()                  // of AfterFunc, where it needs no inner
}

var _ context.Context = (*Context)(nil)

// EndsKey is the key by which a transport asks whether the context that it got ends with
// the answer of an attempt, so that it need not make one that does. A policy's context answers
// with the Record of the call, or with nil, which ends the search.
type EndsKey struct{}

// LimitKey is the key by which a transport asks whose the deadline of a context is: the value is
// the error of a limit of ours, or nil where it is the caller's own.
type LimitKey struct{}

// End cancels the context, with context.Canceled as the cause when it is nil. Only
// the first call does anything, and alone returns true. Without a cause all is over, and a limit
// further in, which AfterFunc was for, has let go.
func (a *Context) End(cause error) bool {
	a.mu.Lock()
	if a.over {
		a.mu.Unlock()
		return false
	}
	a.over, a.cause = true, cause
	a.touched.Store(true)
	cancel, after := a.cancel, a.after
	a.after = nil
	a.mu.Unlock()
	if cancel != nil {
		cancel(cause)
	}
	if after != nil && cause != nil {
		after()
	}
	return true
}

// EndedBy reports whether it was ended with that cause, and not by its parent.
func (a *Context) EndedBy(cause error) bool {
	if !a.touched.Load() {
		return false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.over && a.cause == cause
}

// AfterFunc has f run once the attempt is over, as context.AfterFunc does; it saves a
// limit further in the context beneath. f may run after stop as well, and twice.
func (a *Context) AfterFunc(f func()) (stop func() bool) {
	a.mu.Lock()
	a.touched.Store(true)
	if a.over || a.after != nil {
		inner := a.real()
		a.mu.Unlock()
		return context.AfterFunc(inner, f)
	}
	a.after = f
	a.mu.Unlock()
	if linked, ok := a.Context.(interface {
		AfterFunc(f func()) (stop func() bool)
	}); ok { // what it costs is its own matter
		return linked.AfterFunc(f)
	}
	if a.Context.Done() != nil {
		return context.AfterFunc(a.Context, f)
	}
	return noStop
}

var noStop = func() bool { return false }

// real returns the context beneath, made if need be; the lock is held.
func (a *Context) real() context.Context {
	if a.inner == nil {
		a.touched.Store(true)
		a.inner, a.cancel = context.WithCancelCause(a.Context)
		if a.over {
			a.cancel(a.cause)
		}
	}
	return a.inner
}

// Done returns the channel that is closed when the attempt is cancelled, when the
// caller gives up, or when the call is over.
func (a *Context) Done() <-chan struct{} {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.real().Done()
}

// Err returns what ended it.
func (a *Context) Err() error {
	if !a.touched.Load() {
		return a.Context.Err()
	}
	a.mu.Lock()
	inner, over := a.inner, a.over
	a.mu.Unlock()
	if inner != nil {
		err := inner.Err()
		if err == context.Canceled && !over && a.Context.Err() == context.DeadlineExceeded {
			return context.DeadlineExceeded // of a limit that moves, which ends what is beneath by a cancel
		}
		return err
	}
	if err := a.Context.Err(); err != nil || !over {
		return err
	}
	return context.Canceled
}

// Value finds what the caller's context has. context.Cause comes this way.
func (a *Context) Value(key any) any {
	if !a.touched.Load() {
		return a.Context.Value(key)
	}
	a.mu.Lock()
	inner := a.inner
	if inner == nil && a.over {
		inner = a.real()
	}
	a.mu.Unlock()
	if inner != nil {
		return inner.Value(key)
	}
	return a.Context.Value(key)
}

// String describes the context without looking into what others write to.
func (a *Context) String() string { return fmt.Sprintf("%v.holdfast/attempt", a.Context) }
