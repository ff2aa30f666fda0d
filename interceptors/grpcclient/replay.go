package grpcclient

import (
	"context"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// A replayed is a call with one request and a stream of answers. It begins with the
// request, as it does without policies, and goes on by itself until the first answer is
// there, whether or not the caller has come for it: nobody who waits for the call (a limit, a
// circuit, the budget) waits for the caller. The request is kept, so that it can be sent again
// until then; what the caller has seen never comes twice.
type replayed struct {
	*session

	mu      sync.Mutex
	request any           // a copy of the caller's message
	has     bool          // there is a request
	now     bool          // request is the caller's own and is sent at once, and once
	closed  bool          // the caller has called CloseSend
	begun   bool          // asked is closed
	asked   chan struct{} // closed when there is something to be sent
	into    any           // the caller's first message, while RecvMsg waits
	filled  bool          // an attempt has received into it
	wanted  bool          // Header was called
	headed  *open         // the attempt whose header may be shown, or was
	unwatch func() bool   // of the watch on ctx until the call begins; nil: nobody asks for its end

	ready  chan struct{} // closed when the policies are through
	fault  error         // what they came to when nothing was won
	broken broken        // why they came to nothing
}

var _ grpc.ClientStream = (*replayed)(nil)

var (
	errSecondSend = status.Error(codes.Internal, "grpcclient: SendMsg called again, on a call with one request")
	errHeaderless = status.Error(codes.Internal, "grpcclient: a message came on a stream without a header")
	errShown      = status.Error(codes.Internal, "grpcclient: not sent again: the caller was shown the header of an attempt that was discarded")
	errBrokenOff  = status.Error(codes.Internal, "grpcclient: the call broke off by a panic")
)

func newReplayed(s *session) *replayed {
	r := &replayed{session: s, asked: make(chan struct{}), ready: make(chan struct{})}
	s.call.Sender = r
	s.call.Repeatable = s.own.may(s.door, s.call.Method)
	if len(s.own.onFinish) > 0 {
		r.mu.Lock()
		r.unwatch = context.AfterFunc(s.ctx, r.unsent)
		r.mu.Unlock()
	}
	return r
}

// unsent ends a call whose context is over before it was sent. It is the policies' to learn of, too.
func (r *replayed) unsent() {
	r.mu.Lock()
	first := !r.begun
	r.begin()
	r.mu.Unlock()
	if first {
		r.through()
	}
}

// SendMsg begins the call with a copy of the request. It sends the request itself when
// there can be no copy, which takes as long as the policies do.
func (r *replayed) SendMsg(m any) error {
	kept := copyOf(m, r.door.ReplayCap)
	r.mu.Lock()
	switch {
	case r.has || r.closed:
		r.mu.Unlock()
		return errSecondSend
	case r.begun: // by the end of the caller's context
		r.closed = true
		r.mu.Unlock()
		if kept != nil {
			return nil
		}
		<-r.ready
		return r.fault
	}
	r.has, r.request = true, kept
	if kept == nil {
		r.request, r.now = m, true
		r.call.Repeatable = false
	}
	r.begin()
	r.mu.Unlock()
	if kept != nil {
		go r.through()
		return nil
	}
	r.fault, r.broken.returned = errBrokenOff, true // on this goroutine
	defer close(r.ready)
	defer r.letGo() // the caller may change it now
	_, r.fault = r.run()
	return r.fault
}

// CloseSend notes that there is nothing more to be sent: a request is closed with anyway.
func (r *replayed) CloseSend() error {
	r.mu.Lock()
	first := !r.begun
	r.closed = true
	r.begin()
	r.mu.Unlock()
	if first {
		go r.through()
	}
	return nil
}

// begin notes that the call has begun; r.mu is held.
func (r *replayed) begin() {
	if !r.begun {
		r.begun = true
		close(r.asked)
		if r.unwatch != nil {
			r.unwatch()
		}
	}
}

// through runs the call on a goroutine of its own. What it breaks off by is the caller's to
// have, on the goroutine that comes for the answer.
func (r *replayed) through() {
	r.fault = errBrokenOff
	defer close(r.ready)
	defer r.broken.note()
	_, r.fault = r.run()
	r.broken.returned = true
	r.letGo()
}

// letGo lets go of the request, which is not sent again.
func (r *replayed) letGo() {
	r.mu.Lock()
	r.request = nil
	r.mu.Unlock()
}

// wait waits until the policies are through.
func (r *replayed) wait() {
	select {
	case <-r.ready:
	case <-r.asked:
	case <-r.ctx.Done():
		go r.unsent()
	}
	<-r.ready
	r.broken.surface()
}

// stream returns what was won once the call has been run, and nil before.
func (r *replayed) stream() *open {
	select {
	case <-r.ready:
		return r.won.Load()
	default:
		return nil
	}
}

// RecvMsg waits for the call, the first time, and receives a message.
func (r *replayed) RecvMsg(m any) error {
	a := r.stream()
	if a == nil {
		r.mu.Lock()
		r.into = m
		r.mu.Unlock()
		r.wait()
		if a = r.won.Load(); a == nil {
			return r.fault
		}
	}
	return a.RecvMsg(m)
}

// Header waits for the server's header. It returns nothing when there is none: RecvMsg knows
// why.
func (r *replayed) Header() (metadata.MD, error) {
	r.mu.Lock()
	r.wanted = true
	if a := r.headed; a != nil {
		a.first.show()
		r.mu.Unlock()
		return a.Header()
	}
	r.mu.Unlock()
	r.wait()
	if a := r.won.Load(); a != nil {
		return a.Header()
	}
	if r.last != nil {
		return r.last.inner.Header()
	}
	return nil, nil
}

// Trailer returns the server's trailer, once RecvMsg has returned an error.
func (r *replayed) Trailer() metadata.MD {
	if a := r.stream(); a != nil {
		return a.Trailer()
	}
	select {
	case <-r.ready:
		if r.last != nil {
			return r.last.inner.Trailer()
		}
	default:
	}
	return nil
}

// Context returns the stream's context, and the caller's before there is one.
func (r *replayed) Context() context.Context {
	if a := r.stream(); a != nil {
		return a.Context()
	}
	return r.ctx
}
