package grpcclient

import (
	"context"
	"sync"
	"sync/atomic"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/holdfast-go/holdfast"
)

type (
	fieldDescriptor = protoreflect.FieldDescriptor
	value           = protoreflect.Value
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
		u := &unary{door: d, method: method, req: req, reply: reply, cc: cc, invoker: invoker, opts: opts}
		if m, ok := reply.(proto.Message); ok {
			u.kind = m.ProtoReflect().Type() // now, while nobody fills it
		}
		u.call.Target, u.call.Method, u.call.Unary = targetOf(cc), method, true
		u.call.Repeatable = own.may(d, method)
		u.call.Sender, u.call.Record = u, &u.record
		err := u.outcome(ctx, d.handle(ctx, &u.call))
		if err != nil && d.Fallback != nil {
			err = u.fallBack(ctx, err)
		}
		own.finish(err)
		return err
	}
}

// A unary is one call with its first Call and its Record: one allocation. It is
// the Sender of all its attempts.
type unary struct {
	call   holdfast.Call
	record holdfast.Record

	door       *door
	method     string
	req, reply any
	kind       protoreflect.MessageType // of reply; nil: it is no protocol buffer
	cc         *grpc.ClientConn
	invoker    grpc.UnaryInvoker
	opts       []grpc.CallOption

	busy    atomic.Bool // an attempt that is no hedge is under way; what follows is its
	sent    bool        // there was one
	last    error       // what the last one came to
	trailer metadata.MD
	peer    peer.Peer
	room    [4]grpc.CallOption

	mu    sync.Mutex
	fails []*hedged // that came to an error
}

// Protocol tells observers what is sent.
func (u *unary) Protocol() string { return "grpc" }

// Send makes one attempt. One that is no hedge has the reply and the options of
// the caller, as those of gRPC's own retry have.
func (u *unary) Send(ctx context.Context, call *holdfast.Call) holdfast.Result {
	if !call.Hedge {
		if !u.busy.CompareAndSwap(false, true) {
			return overlapping()
		}
		defer u.busy.Store(false)
	}
	ctx = call.Context(ctx)
	if ctx.Err() != nil {
		return notSent(ctx)
	}
	if call.Hedge {
		return u.hedge(ctx, call)
	}
	if u.sent {
		forget(u.opts, u.reply)
		u.trailer, u.peer = nil, peer.Peer{}
	}
	u.sent = true
	opts := append(append(u.room[:0], u.opts...), grpc.Trailer(&u.trailer), grpc.Peer(&u.peer))
	if err := u.invoker(outgoing(ctx, call), u.method, u.req, u.reply, u.cc, opts[:len(opts):len(opts)]...); err != nil {
		res := u.failed(ctx, call, err, u.trailer, &u.peer)
		u.last = res.Err
		return res
	}
	return holdfast.Result{Reply: (*answer)(u), Class: holdfast.Success, Code: "OK"}
}

// failed makes the Result of an attempt that came to an error.
func (u *unary) failed(ctx context.Context, call *holdfast.Call, err error, trailer metadata.MD, at *peer.Peer) holdfast.Result {
	if call.Endpoint == "" && at.Addr != nil {
		call.Endpoint = at.Addr.String() // for the ledger
	}
	res := u.door.failed(ctx, u.method, err, trailer, at.Addr != nil)
	return u.door.leftToNative(res, u.cc, u.method)
}

// outcome is what the caller gets for the Result of the policies.
func (u *unary) outcome(ctx context.Context, res holdfast.Result) error {
	if res.Err == nil {
		switch mine := res.Reply.(type) {
		case nil:
			res = holdfast.Result{Err: errNothing, Code: codeConfig}
		case *answer:
			if mine == (*answer)(u) {
				return nil
			}
		case *hedged:
			if mine.of == u {
				mine.publish()
				return nil
			}
		}
		if res.Err == nil {
			res.Discard()
			res = holdfast.Result{Err: errForeign, Code: codeConfig}
		}
	}
	last := u.last
	for _, h := range u.fails {
		if err := lastOf(res.Err); same(err, h.err) {
			h.publish()
			last = h.err
		}
	}
	return settle(ctx, res, last)
}

// lastOf is the error of the last attempt in that of several.
func lastOf(err error) error {
	for {
		attempts, ok := err.(*holdfast.AttemptsError)
		if !ok || attempts.Err == nil {
			return err
		}
		err = attempts.Err
	}
}

// An answer is the Reply of the attempts that have the caller's own places.
type answer unary

// Discard does nothing: nothing is held.
func (*answer) Discard() {}

// OnDone runs h at once.
func (*answer) OnDone(h holdfast.Hook, token uint64) { answered{}.OnDone(h, token) }
