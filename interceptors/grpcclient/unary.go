package grpcclient

import (
	"context"
	"math"
	"sync"
	"sync/atomic"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/holdfast-go/holdfast"
)

// Unary makes an interceptor of the policies, the first one outermost, for unary
// calls. A nil policy is skipped. Build it once; it is safe for concurrent use.
func (w Wrapper) Unary(policies ...holdfast.Policy) grpc.UnaryClientInterceptor {
	d := w.door(policies)
	return func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoker grpc.UnaryInvoker, opts ...grpc.CallOption) error {
		if ctx == nil {
			return errNoContext
		}
		opts, own := takeOwn(d.ready(method, opts))
		u := &unary{rpc: rpc{d, cc, nil, opts}, req: req, reply: reply, invoker: invoker}
		if m, ok := reply.(proto.Message); ok {
			u.kind = m.ProtoReflect().Type() // now, while nobody fills it
		}
		u.call.Target, u.call.Method, u.call.Unary = targetOf(cc), method, true
		u.call.Repeatable = own.may(d, method)
		u.call.Sender, u.call.Record, u.of = u, &u.record, &u.call
		over := false
		defer func() {
			if !over { // by a panic
				own.finish(errBrokenOff)
			}
		}()
		res := d.handle(ctx, &u.call)
		if a, mine := res.Reply.(*answer); mine && a == (*answer)(u) && res.Err == nil {
			over = true
			own.finish(nil)
			return nil
		}
		err := u.outcome(ctx, res)
		if err != nil && d.Fallback != nil {
			err = u.fallBack(ctx, err)
		}
		over = true
		own.finish(err)
		return err
	}
}

// A unary is one call with its first Call and its Record: one allocation. It is
// the Sender of all its attempts.
type unary struct {
	call   holdfast.Call
	record holdfast.Record

	rpc
	req, reply any
	kind       protoreflect.MessageType // of reply; nil: it is no protocol buffer
	invoker    grpc.UnaryInvoker
	witness    witness
	plain      plainErrors

	busy    atomic.Bool // an attempt that is no hedge is under way; what follows is its
	attempt int32       // the number of the latest such; 0: there was none
	header  metadata.MD // of what is not repeatable
	trailer metadata.MD
	peer    peer.Peer
	room    [4]grpc.CallOption

	mu    sync.Mutex
	fails *hedged // hedges, and earlier attempts, that came to an error
}

// Protocol tells observers what is sent.
func (u *unary) Protocol() string { return "grpc" }

// Send makes one attempt. One that is no hedge has the reply and the options of
// the caller, as those of gRPC's own retry have.
func (u *unary) Send(ctx context.Context, call *holdfast.Call) holdfast.Result {
	if !call.Hedge {
		if !u.busy.CompareAndSwap(false, true) {
			return overlapping(call)
		}
		defer u.busy.Store(false)
	}
	ctx = call.Context(ctx)
	if ctx.Err() != nil {
		return notSent(ctx, call)
	}
	if call.Hedge {
		return u.hedge(ctx, call)
	}
	if u.attempt != 0 {
		u.remember()
		forget(u.opts, u.reply)
		u.trailer, u.peer = nil, peer.Peer{}
	}
	u.attempt, u.peer.Addr = int32(min(call.Attempt, math.MaxInt32)), nowhere
	opts := append(append(u.room[:0], u.opts...), grpc.Trailer(&u.trailer), grpc.Peer(&u.peer))
	once := !call.Repeatable && u.door.NoNativeRetry
	u.header = untold
	if !call.Repeatable {
		opts = append(opts, grpc.Header(&u.header))
	}
	if once {
		opts = append(opts, noReplay)
	}
	due, _ := ctx.Deadline()
	err := u.invoke(ctx, call, u.reply, opts)
	if err != nil && once && ctx.Err() == nil && u.untaken(call, err) { // as gRPC itself would
		forget(u.opts, u.reply)
		u.header, u.trailer, u.peer = untold, nil, peer.Peer{Addr: nowhere}
		err = u.invoke(replaying(ctx, call), call, u.reply, opts)
	}
	if call.Attempt > 1 {
		for _, o := range u.opts {
			if o, ok := o.(grpc.HeaderCallOption); ok {
				previous(o.HeaderAddr, call.Attempt)
			}
		}
	}
	if err == nil {
		return holdfast.Result{Reply: (*answer)(u), Class: holdfast.Success, Code: "OK"}
	}
	at := arrival{request: u.req, due: due, heard: u.witness.heard(call.Attempt, u.header), trailer: u.trailer}
	return u.failed(ctx, call, err, &u.peer, at)
}

// invoke has gRPC send an attempt. What it appends to the options is none of the next one's.
func (u *unary) invoke(ctx context.Context, call *holdfast.Call, reply any, opts []grpc.CallOption) error {
	return u.invoker(outgoing(ctx, call), u.call.Method, u.req, reply, u.cc, opts[:len(opts):len(opts)]...)
}

// remember keeps what the latest attempt has written to the caller's places, which the next one
// will write to: the caller gets it where that attempt is the last one to tell of a server.
func (u *unary) remember() {
	before := &hedged{of: u, attempt: int(u.attempt), failed: true, trailer: u.trailer, peer: u.peer}
	if before.peer.Addr == nowhere {
		before.peer = peer.Peer{}
	}
	for _, o := range u.opts {
		if o, ok := o.(grpc.HeaderCallOption); ok && o.HeaderAddr != nil {
			before.header = *o.HeaderAddr
		}
	}
	u.mu.Lock()
	before.next, u.fails = u.fails, before
	u.mu.Unlock()
}

// untaken reports whether no server has begun with an attempt that came to err.
func (u *unary) untaken(call *holdfast.Call, err error) bool {
	at := arrival{on: u.peer.Addr != nowhere, heard: u.witness.heard(call.Attempt, u.header), trailer: u.trailer}
	return at.untaken(statusIn(err))
}

// failed makes the Result of an attempt that came to an error.
func (u *unary) failed(ctx context.Context, call *holdfast.Call, err error, p *peer.Peer, at arrival) holdfast.Result {
	addr, on := reached(p)
	at.on = on
	if call.Endpoint == "" {
		call.Endpoint = addr // for the ledger
	}
	res := u.leftToNative(ctx, u.rpc.failed(ctx, err, at))
	u.plain.note(call.Attempt, res.Err)
	return res
}

// outcome is what the caller gets for the Result of the policies.
func (u *unary) outcome(ctx context.Context, res holdfast.Result) error {
	res, hedge := u.settled(res)
	if hedge != nil {
		hedge.publish()
	}
	if res.Err == nil {
		return nil
	}
	err := u.door.settle(ctx, res, &u.plain)
	holdfast.Within(ctx, holdfast.Result{Err: err, Class: res.Class, Code: res.Code, After: res.After}) // where this call is made within another one
	return err
}

// Outcome returns the name of the gRPC status that the caller would get for a Result of
// the policies.
func (u *unary) Outcome(ctx context.Context, res holdfast.Result) holdfast.Code {
	if res.Err == nil && res.Reply != nil {
		return "OK"
	}
	res, _ = u.settled(res)
	return codeFor(u.door.settle(ctx, res, &u.plain))
}

// settled returns the Result with an error in the place of a Reply that no caller can be
// given, and the hedge that it is of.
func (u *unary) settled(res holdfast.Result) (holdfast.Result, *hedged) {
	if res.Err == nil {
		switch mine := res.Reply.(type) {
		case nil:
			return holdfast.Result{Err: errNothing, Code: holdfast.CodeConfig}, nil
		case *answer:
			if mine == (*answer)(u) {
				return res, nil
			}
		case *hedged:
			if mine.of == u {
				return res, mine
			}
		}
		res.Discard()
		return holdfast.Result{Err: errForeign, Code: holdfast.CodeConfig}, nil
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	hedge := u.fails
	for hedge != nil && hedge.attempt != res.Attempt {
		hedge = hedge.next
	}
	return res, hedge
}

// An answer is the Reply of the attempts that have the caller's own places.
type answer unary

// Discard does nothing: nothing is held.
func (*answer) Discard() {}

// OnDone runs h at once.
func (*answer) OnDone(h holdfast.Hook, token uint64) { answered{}.OnDone(h, token) }
