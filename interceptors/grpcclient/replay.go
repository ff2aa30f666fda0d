package grpcclient

import (
	"context"
	"io"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/holdfast-go/holdfast"
)

// A replayed is a call with one request and a stream of answers. It keeps the
// request and begins when the first answer is asked for: what is sent until then
// can be sent again, and what the caller has seen never comes twice.
type replayed struct {
	*session

	mu      sync.Mutex
	request any           // a copy of the caller's message
	has     bool          // there is a request
	now     bool          // request is the caller's own and is sent at once, and once
	closed  bool          // the caller has called CloseSend
	asked   chan struct{} // closed when there is something to be sent
	started bool

	ready chan struct{} // closed when the policies are through
	into  any           // where the first message goes; nil: the header is waited for
	fault error         // what they came to when nothing was won
}

var _ grpc.ClientStream = (*replayed)(nil)

var (
	errSecondSend = status.Error(codes.Internal, "grpcclient: SendMsg called again, on a call with one request")
	errHeaderless = status.Error(codes.Internal, "grpcclient: a message came on a stream without a header")
	errBrokenOff  = status.Error(codes.Internal, "grpcclient: the call broke off by a panic")
)

func newReplayed(s *session) *replayed {
	r := &replayed{session: s, asked: make(chan struct{}), ready: make(chan struct{})}
	s.call.Sender = r
	s.call.Repeatable = s.own.may(s.door, s.call.Method)
	return r
}

// SendMsg keeps a copy of the request, or sends the request when there can be no
// copy.
func (r *replayed) SendMsg(m any) error {
	kept := copyOf(m, r.door.ReplayCap)
	r.mu.Lock()
	if r.has || r.closed {
		r.mu.Unlock()
		return errSecondSend
	}
	r.has, r.request = true, kept
	if kept == nil {
		r.request, r.now = m, true
	}
	close(r.asked)
	r.mu.Unlock()
	if kept != nil {
		return nil
	}
	r.start(nil)
	r.mu.Lock()
	r.request = nil // the caller's, who may change it now
	r.mu.Unlock()
	return r.fault
}

// CloseSend notes that there is nothing more to be sent.
func (r *replayed) CloseSend() error {
	r.mu.Lock()
	ask := !r.closed && !r.has
	r.closed = true
	started := r.started
	r.mu.Unlock()
	if ask {
		close(r.asked)
	}
	if started && !ask {
		if a := r.stream(); a != nil {
			return a.CloseSend()
		}
	}
	return nil
}

// start runs the call, or waits until it has been run. The first message, if this
// goroutine runs it, goes into into; where that is nil, the header is enough.
func (r *replayed) start(into any) {
	r.mu.Lock()
	first := !r.started
	r.started = true
	r.mu.Unlock()
	if !first {
		<-r.ready
		return
	}
	r.fault = errBrokenOff
	defer close(r.ready)
	select {
	case <-r.asked:
	case <-r.ctx.Done(): // which the policies shall learn
	}
	r.into = into
	r.mu.Lock()
	if r.now {
		r.call.Repeatable = false
	}
	r.mu.Unlock()
	_, r.fault = r.run()
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

// RecvMsg begins the call, the first time, and receives a message.
func (r *replayed) RecvMsg(m any) error {
	r.start(m)
	a := r.won.Load()
	if a == nil {
		return r.fault
	}
	if a.held {
		a.held = false
		return a.first
	}
	return a.RecvMsg(m)
}

// Header begins the call, if need be, and waits for the server's header. It
// returns nothing when there is none: RecvMsg knows why.
func (r *replayed) Header() (metadata.MD, error) {
	r.start(nil)
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

// Send makes one attempt: it is over when the first message is there, or the
// header where that was asked for.
func (r *replayed) Send(ctx context.Context, call *holdfast.Call) holdfast.Result {
	if !r.busy.CompareAndSwap(false, true) {
		return overlapping(call)
	}
	defer r.busy.Store(false)
	ctx = call.Context(ctx)
	if ctx.Err() != nil {
		return notSent(ctx, call)
	}
	if call.Attempt > 1 {
		reset(r.into)
	}
	res, untaken := r.send(ctx, call)
	if untaken && ctx.Err() == nil { // as gRPC itself would
		reset(r.into)
		res, _ = r.send(replaying(ctx, call), call)
	}
	return res
}

// send sends the request on a stream of its own. untaken says that no server has begun with it,
// and that gRPC was kept from sending it once more.
func (r *replayed) send(ctx context.Context, call *holdfast.Call) (res holdfast.Result, untaken bool) {
	var opts []grpc.CallOption
	once := !call.Repeatable && !r.now && r.door.NoNativeRetry
	if once {
		opts = []grpc.CallOption{noReplay}
	}
	a, err := r.open(ctx, call, opts...)
	if err != nil {
		return r.came(ctx, call, err, arrival{heard: r.witness.tells(call.Attempt)}), false
	}
	goesOn := false
	defer func() {
		if !goesOn { // also by a panic
			a.cancel()
		}
	}()
	switch at, err := r.answered(a); err {
	case nil:
		goesOn = true
		return a.result(), false
	case io.EOF: // no message at all, and all is well
		a.held, a.first = true, err
		a.end(holdfast.End{Class: holdfast.Success, Code: "OK"})
		return holdfast.Result{Reply: a, Class: holdfast.Success, Code: "OK"}, false
	default:
		a.before, r.last = r.last, a
		return r.came(ctx, call, err, at), once && at.untaken(statusIn(err))
	}
}

// answered sends the request on the stream of an attempt and waits for what
// begins the answer. With an error comes what is known of the attempt.
func (r *replayed) answered(a *open) (arrival, error) {
	r.mu.Lock()
	request, has, now, closed := r.request, r.has, r.now, r.closed
	r.mu.Unlock()
	received := func(err error) (at arrival, _ error) {
		if err != nil && err != io.EOF {
			at = a.received()
			at.request = request
		}
		return at, err
	}
	if has {
		if err := a.inner.SendMsg(request); err != nil && err != io.EOF {
			return arrival{request: request, on: true, sending: true}, err
		}
	}
	if closed {
		if err := a.inner.CloseSend(); err != nil {
			return arrival{on: true}, err
		}
	}
	switch {
	case now:
		return arrival{}, nil
	case r.into != nil:
		err := a.inner.RecvMsg(r.into)
		a.held = err == nil
		return received(err)
	}
	if md, err := a.inner.Header(); err != nil || md != nil {
		return arrival{on: true}, err
	}
	// It ended without a header, and so without a message; how, RecvMsg says.
	if err := a.inner.RecvMsg(new(emptypb.Empty)); err != nil {
		return received(err)
	}
	return arrival{on: true, heard: headers}, errHeaderless
}
