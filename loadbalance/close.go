package loadbalance

import (
	"context"

	"github.com/holdfast-go/holdfast"
)

// Close ends the watching, the checks and the timers, and waits for them, but for a listener that
// is being told, so that a listener may call it. A Probe and a Resolver may not. Calls that wait
// for an endpoint, and all that come later, are answered with holdfast.ErrClosed; those that are
// with an endpoint go on. Close it after what sends through it: several clients may share one
// Set. It may be called several times.
func (s *Set) Close() {
	if !s.made() {
		return
	}
	s.stop()
	if !s.Pool.telling() {
		<-s.stopped
	}
	s.Pool.Close()
}

func (s *Set) isClosed() bool {
	select {
	case <-s.closed:
		return true
	default:
		return false
	}
}

// wait waits for the first answer.
func (s *Set) wait(ctx context.Context, call *holdfast.Call) error {
	if s.isClosed() {
		return holdfast.ErrClosed
	}
	select {
	case <-s.known:
		return nil
	default:
	}
	wait, done := call.Waiting(ctx)
	defer done()
	select {
	case <-s.known:
		call.Waited()
	case <-s.closed:
	case <-wait.Done():
	}
	return s.ended(ctx, wait)
}

// ended says why a wait is not to go on, also where what it was for has come.
func (s *Set) ended(ctx, wait context.Context) error {
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case wait.Err() != nil || s.isClosed():
		return holdfast.ErrClosed
	}
	return nil
}
