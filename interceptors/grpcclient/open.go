package grpcclient

import (
	"context"
	"io"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/holdfast-go/holdfast"
)

// An open is the stream of one attempt: the Reply of the policies and the
// ClientStream of the caller.
//
// Nothing here calls Context of gRPC's stream unless the caller does: that
// would switch off gRPC's own retry.
type open struct {
	holdfast.Ending
	of     *session
	inner  grpc.ClientStream
	ctx    context.Context // the attempt's, for what has ended it
	cancel context.CancelFunc
	stop   func() bool // of the watch on ctx
	out    *targets

	attempt int       // the number of the Call that it is of
	before  *open     // of an earlier one
	due     time.Time // the deadline that the server was told; zero: none

	waiters atomic.Int32 // how many of the caller's goroutines wait for the server
	header  metadata.MD  // what was read ahead of it: nil: none
	first   *first       // the first message; nil: it is not read ahead
	codec   *keeping     // that first is decoded by; nil: it is not known what that is
	unfit   bool         // the caller could not receive it
	taken   bool         // the caller has come for it
	empty   bool         // it has ended without a message
}

var (
	_ holdfast.Reply    = (*open)(nil)
	_ grpc.ClientStream = (*open)(nil)
)

var errNoStream = status.Error(codes.Internal, "grpcclient: an interceptor further in returned neither a stream nor an error")

// open creates a stream under ctx, the context that carries the attempt's Call.
// The stream has a context of its own, so that it can be let go of alone.
func (s *session) open(ctx context.Context, call *holdfast.Call, more ...grpc.CallOption) (*open, error) {
	a := &open{of: s, ctx: ctx, attempt: call.Attempt}
	a.due, _ = ctx.Deadline()
	var opts []grpc.CallOption
	opts, a.out = private(s.opts)
	opts = append(opts, more...)
	inner, cancel := context.WithCancel(outgoing(ctx, call))
	a.cancel = cancel
	defer func() {
		if a.inner == nil { // also by a panic
			cancel()
		}
	}()
	var err error
	if a.inner, err = s.streamer(inner, s.desc, s.cc, s.of.Method, opts...); err != nil {
		a.inner = nil
		return nil, err
	}
	if a.inner == nil {
		return nil, errNoStream
	}
	return a, nil
}

// result is the Result of an attempt whose stream goes on.
func (a *open) result() holdfast.Result {
	a.stop = context.AfterFunc(a.ctx, a.cut)
	return holdfast.Result{Reply: a, Class: holdfast.Success, Code: "OK"}
}

// cut ends a stream whose context is over, so that one that nobody reads ends.
func (a *open) cut() {
	err := overError(a.ctx)
	v := holdfast.VerdictOf(a.ctx, err)
	a.end(holdfast.End{Class: v.Class, Code: v.Code, Err: err})
}

// end lets go of the stream and tells everybody, once.
func (a *open) end(end holdfast.End) {
	a.cancel()
	a.Finish(end)
}

// Discard ends the stream of an attempt that is not the caller's.
func (a *open) Discard() {
	if a.Finished() {
		return
	}
	if a.ctx.Err() != nil {
		a.cut()
		return
	}
	a.unwatch()
	a.end(holdfast.End{Class: holdfast.Success, Code: "OK"})
	if a.first != nil {
		<-a.first.done // it is nobody's any more
	}
}

func (a *open) unwatch() {
	if a.stop != nil {
		a.stop()
	}
}

// ended notes what gRPC ended the stream with, and returns what the caller gets.
func (a *open) ended(err error, at arrival) error {
	a.unwatch()
	a.out.publish(a.attempt)
	if err == nil || err == io.EOF {
		a.end(holdfast.End{Class: holdfast.Success, Code: "OK"})
		return err
	}
	res := a.of.failed(a.ctx, err, at)
	a.end(holdfast.End{Class: res.Class, Code: res.Code, Err: res.Err})
	return res.Err
}

// received is what is known of a stream whose RecvMsg has returned an error.
func (a *open) received() arrival {
	at := arrival{on: true, due: a.due, trailer: a.inner.Trailer()}
	at.unread = a.unfit || a.codec != nil && a.codec.bad
	header, _ := a.inner.Header() // it waits for nothing any more
	at.heard = a.of.witness.heard(a.attempt, header)
	return at
}

// wait and arrived are around whatever waits for the server. What arrives for one
// goroutine is progress for the other, which then waits anew.
func (a *open) wait() {
	if a.waiters.Add(1) == 1 {
		a.Progress(true)
	}
}

func (a *open) arrived(err error) {
	left := a.waiters.Add(-1)
	if err != nil {
		return // the end follows
	}
	a.Progress(false)
	if left > 0 {
		a.Progress(true)
	}
}

// next receives the next message: the first one may have been read already.
func (a *open) next(m any) (err error) {
	f := a.first
	if f == nil || a.taken {
		a.wait()
		err = a.inner.RecvMsg(m)
		a.arrived(err)
		return err
	}
	a.taken = true
	select {
	case <-f.done:
	default:
		a.wait()
		<-f.done
		a.arrived(f.err)
	}
	a.unfit, err = f.hand(m)
	return err
}

// breaks ends the stream when a codec, an interceptor further in or a callback has panicked: what
// the call holds is free, and the panic goes on its way.
func (a *open) breaks(returned *bool) {
	if !*returned {
		a.unwatch()
		a.end(holdfast.End{Code: holdfast.CodePanic})
	}
}

// RecvMsg receives the next message, or the end.
func (a *open) RecvMsg(m any) error {
	returned := false
	defer a.breaks(&returned)
	err := a.next(m)
	switch {
	case err != nil && err != io.EOF:
		err = a.ended(err, a.received())
	case err != nil || !a.of.desc.ServerStreams:
		err = a.ended(err, arrival{})
	}
	returned = true
	return err
}

// SendMsg sends a message. io.EOF says that the stream has ended, and that
// RecvMsg knows how.
func (a *open) SendMsg(m any) error {
	returned := false
	defer a.breaks(&returned)
	err := a.inner.SendMsg(m)
	if err != nil && err != io.EOF {
		err = a.ended(err, arrival{request: m, on: true, sending: true})
	}
	returned = true
	return err
}

// CloseSend says that no further message will be sent.
func (a *open) CloseSend() error {
	returned := false
	defer a.breaks(&returned)
	err := a.inner.CloseSend()
	returned = true
	return err
}

// Header waits for the server's header.
func (a *open) Header() (md metadata.MD, err error) {
	returned := false
	defer a.breaks(&returned)
	if a.header != nil {
		md = a.header.Copy()
	} else {
		a.wait()
		md, err = a.inner.Header()
		a.arrived(err)
	}
	if err != nil {
		err = a.ended(err, arrival{on: true}) // of an interceptor further in: gRPC keeps it for RecvMsg
	} else {
		previous(&md, a.attempt)
	}
	returned = true
	return md, err
}

// Trailer returns the server's trailer, once RecvMsg has returned an error.
func (a *open) Trailer() metadata.MD { return a.inner.Trailer() }

// Context returns the stream's context, in which holdfast.LedgerOf finds what was
// tried for the call.
func (a *open) Context() context.Context {
	return holdfast.WithLedger(a.inner.Context(), &a.of.record)
}
