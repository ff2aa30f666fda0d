package grpcclient

import (
	"context"
	"sync/atomic"

	"google.golang.org/grpc"

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
		opts, onFinish := withoutOnFinish(opts)
		u := &unary{door: d, method: method, req: req, reply: reply, cc: cc, invoker: invoker, opts: opts}
		u.call.Target, u.call.Method, u.call.Unary = targetOf(cc), method, true
		u.call.Repeatable = d.repeatable(method)
		u.call.Sender, u.call.Record = u, &u.record
		err := u.outcome(ctx, d.handle(ctx, &u.call))
		for _, f := range onFinish {
			f(err)
		}
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
	cc         *grpc.ClientConn
	invoker    grpc.UnaryInvoker
	opts       []grpc.CallOption

	busy atomic.Bool // an attempt is under way; what follows is its
	sent bool        // there was one
	last error       // what the last one came to
}

// Send makes one attempt. It has the reply and the options of the caller, as
// those of gRPC's own retry have.
func (u *unary) Send(ctx context.Context, call *holdfast.Call) holdfast.Result {
	if !u.busy.CompareAndSwap(false, true) {
		return overlapping()
	}
	defer u.busy.Store(false)
	ctx = call.Context(ctx)
	if ctx.Err() != nil {
		return notSent(ctx)
	}
	if u.sent {
		forget(u.opts, u.reply)
	}
	u.sent = true
	if err := u.invoker(ctx, u.method, u.req, u.reply, u.cc, u.opts...); err != nil {
		res := u.door.failed(ctx, u.method, err)
		u.last = res.Err
		return res
	}
	return holdfast.Result{Reply: (*answer)(u), Class: holdfast.Success, Code: "OK"}
}

// outcome is what the caller gets for the Result of the policies.
func (u *unary) outcome(ctx context.Context, res holdfast.Result) error {
	if res.Err == nil {
		switch mine, ok := res.Reply.(*answer); {
		case res.Reply == nil:
			res = holdfast.Result{Err: errNothing, Code: codeConfig}
		case !ok || mine != (*answer)(u):
			res.Discard()
			res = holdfast.Result{Err: errForeign, Code: codeConfig}
		default:
			return nil
		}
	}
	return settle(ctx, res, u.last)
}

// An answer is the Reply of a unary call: over as soon as it is there.
type answer unary

// Discard does nothing: nothing is held.
func (*answer) Discard() {}

// OnDone runs h at once.
func (*answer) OnDone(h holdfast.Hook, token uint64) {
	if h != nil {
		h.Done(token, holdfast.End{Class: holdfast.Success, Code: "OK"})
	}
}
