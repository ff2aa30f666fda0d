// Package attempt has the context of one attempt, which whoever sends it can end.
package attempt

import (
	"context"
	"fmt"
	"sync"
)

// A Context is that of one attempt. A context of the standard library comes to be
// beneath it only when somebody asks for Done, which includes deriving a context:
// what nobody waits for need not be woken. Contexts derived from it are those of the
// standard context's kin, so they start no goroutine. It is ready once its parent is
// set, which is not to be changed then; it must not be copied.
type Context struct {
	context.Context // the parent

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

// End cancels the attempt, with context.Canceled as the cause when it is nil. Only
// the first call does anything.
func (a *Context) End(cause error) {
	a.mu.Lock()
	if a.over {
		a.mu.Unlock()
		return
	}
	a.over, a.cause = true, cause
	cancel, after := a.cancel, a.after
	a.after = nil
	a.mu.Unlock()
	if cancel != nil {
		cancel(cause)
	}
	if after != nil {
		after()
	}
}

// AfterFunc has f run once the attempt is over, as context.AfterFunc does; it saves a
// limit further in the context beneath. f may run after stop as well, and twice.
func (a *Context) AfterFunc(f func()) (stop func() bool) {
	a.mu.Lock()
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

// Err returns what ended the attempt.
func (a *Context) Err() error {
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
