package grpcclient

import (
	"context"
	"io"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/holdfast-go/holdfast"
)

// Send makes one attempt: it is over when the first message is there, or the header where the
// caller has asked for that.
func (r *replayed) Send(ctx context.Context, call *holdfast.Call) holdfast.Result {
	if !r.busy.CompareAndSwap(false, true) {
		return overlapping(call)
	}
	defer r.busy.Store(false)
	if r.committed() {
		call.Unsent()
		return holdfast.Result{Err: errShown, Class: holdfast.Ignored, Code: holdfast.CodeError, After: holdfast.Never}
	}
	ctx = call.Context(ctx)
	if ctx.Err() != nil {
		return notSent(ctx, call)
	}
	res, untaken := r.send(ctx, call)
	if untaken && ctx.Err() == nil { // as gRPC itself would
		res, _ = r.send(replaying(ctx, call), call)
	}
	return res
}

// send sends the request on a stream of its own. untaken says that no server has begun with it,
// and that gRPC was kept from sending it once more.
func (r *replayed) send(ctx context.Context, call *holdfast.Call) (res holdfast.Result, untaken bool) {
	r.mu.Lock()
	r.headed = nil // of the attempt before
	r.mu.Unlock()
	var opts []grpc.CallOption
	once := !call.Repeatable && !r.now && r.door.NoNativeRetry
	if once {
		opts = append(opts, noReplay)
	}
	var codec *keeping
	if kind := r.answers(); kind != nil && !r.now {
		codec = &keeping{CodecV2: registered(), into: kind.New().Interface()}
		opts = append(opts, grpc.ForceCodecV2(codec))
	}
	a, err := r.open(ctx, call, opts...)
	if err != nil {
		return r.came(ctx, call, err, arrival{heard: r.witness.tells(call.Attempt)}), false
	}
	a.codec = codec
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
		a.empty = true
		a.end(holdfast.End{Class: holdfast.Success, Code: "OK"})
		return holdfast.Result{Reply: a, Class: holdfast.Success, Code: "OK"}, false
	default:
		a.before, r.last = r.last, a
		return r.came(ctx, call, err, at), once && at.untaken(statusIn(err))
	}
}

// answered sends the request on the stream of an attempt and waits for what
// begins the answer. With an error comes what is known of the attempt.
func (r *replayed) answered(a *open) (at arrival, _ error) {
	r.mu.Lock()
	request, has, now := r.request, r.has, r.now
	r.mu.Unlock()
	if has {
		if err := a.inner.SendMsg(request); err != nil && err != io.EOF {
			return arrival{request: request, on: true, sending: true}, err
		}
	}
	if err := a.inner.CloseSend(); err != nil {
		return arrival{on: true}, err
	}
	if now {
		return at, nil
	}
	a.header, _ = a.inner.Header() // where there is an error, RecvMsg says more
	if r.expect(a) {
		if a.header == nil {
			a.first.read(a.inner)
		} else {
			go a.first.read(a.inner)
		}
		select {
		case <-a.first.done:
		case <-a.first.shown:
		}
		if r.shown(a) {
			return at, nil // and the first message is the caller's to wait for
		}
		a.first.broken.surface()
		err := a.first.err
		if err != nil && err != io.EOF {
			at = a.received()
			at.request = request
		}
		return at, err
	}
	if a.header != nil {
		return at, nil
	}
	// It ended without a header, and so without a message; how, RecvMsg says.
	err := a.inner.RecvMsg(new(emptypb.Empty))
	switch err {
	case nil:
		return arrival{on: true, heard: headers}, errHeaderless
	case io.EOF:
		return at, err
	}
	at = a.received()
	at.request = request
	return at, err
}

// expect says where the first message of an attempt goes, whose header is there or never comes.
// It reports false where there is no such place yet, or the header is all that is waited for.
func (r *replayed) expect(a *open) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if a.header != nil && r.wanted {
		return false
	}
	switch {
	case a.codec != nil:
		a.first = newFirst(a.codec.into, a.codec)
	case r.into != nil:
		if r.filled {
			reset(r.into)
		}
		r.filled = true
		a.first = newFirst(r.into, nil)
	}
	if a.first == nil {
		return false
	}
	if a.header != nil {
		r.headed = a
	}
	return true
}

// shown reports whether the caller has been shown the header of an attempt, so that it is not
// made again. Where it was not, the policies decide first whether the attempt is the caller's.
func (r *replayed) shown(a *open) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if a.first.isShown() {
		return true
	}
	r.headed = nil
	return false
}

// committed reports whether the caller has been shown a header: there is no other attempt then,
// also when the policies have discarded that one.
func (r *replayed) committed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.headed != nil && r.headed.first.isShown()
}
