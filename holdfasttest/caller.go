package holdfasttest

import (
	"context"
	"sync"

	"github.com/holdfast-go/holdfast"
)

// A caller is the context of one call. It counts the contexts derived from it
// that nobody has let go of, which package context tells it: a context that is
// derived from one with an AfterFunc of its own registers there until it ends.
type caller struct {
	context.Context
	call *holdfast.Call
	was  holdfast.Call // what the Call said when it set out
	done chan struct{} // not the parent's, or the registration would go past us

	mu      sync.Mutex
	derived int
	stop    func() bool
}

type callerKey struct{}

func newCaller(parent context.Context, call *holdfast.Call) *caller {
	c := &caller{Context: parent, call: call, done: make(chan struct{})}
	c.was.Target, c.was.Method, c.was.Repeatable = call.Target, call.Method, call.Repeatable
	c.was.Stream, c.was.Unary, c.was.Record = call.Stream, call.Unary, call.Record
	if parent.Err() != nil { // at once, and not on another goroutine
		close(c.done)
		return c
	}
	c.stop = context.AfterFunc(parent, func() { close(c.done) })
	return c
}

func (c *caller) Done() <-chan struct{} { return c.done }

func (c *caller) Value(key any) any {
	if key == (callerKey{}) {
		return c
	}
	return c.Context.Value(key)
}

// AfterFunc is what package context asks of a parent that is not its own.
func (c *caller) AfterFunc(f func()) (stop func() bool) {
	c.mu.Lock()
	c.derived++
	c.mu.Unlock()
	over := sync.OnceFunc(func() {
		c.mu.Lock()
		c.derived--
		c.mu.Unlock()
	})
	cancel := context.AfterFunc(c.Context, func() {
		over()
		f()
	})
	return func() bool {
		over()
		return cancel()
	}
}

// left returns how many contexts are still derived from c.
func (c *caller) left() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.derived
}

// release lets go of the parent.
func (c *caller) release() {
	if c.stop != nil {
		c.stop()
	}
}
