package grpcclient

import (
	"context"

	"google.golang.org/grpc"

	"github.com/holdfast-go/holdfast"
)

// Stream makes an interceptor of the policies, the first one outermost, for
// streams of all kinds. A nil policy is skipped. Build it once; it is safe for
// concurrent use.
func (w Wrapper) Stream(policies ...holdfast.Policy) grpc.StreamClientInterceptor {
	d := w.door(policies)
	return func(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, streamer grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
		if ctx == nil {
			return nil, errNoContext
		}
		s := d.session(ctx, desc, cc, method, streamer, opts)
		if desc.ServerStreams && !desc.ClientStreams {
			return newReplayed(s), nil
		}
		p := &passed{s}
		s.call.Sender = p
		a, err := s.run()
		if err != nil {
			return nil, err // not a, which is nil and would be a stream that is not
		}
		return a, nil
	}
}

// A passed is the Sender of a stream that is passed through: the messages that
// the caller will send are not there yet, so it cannot be repeated once it is
// created. The policies stand around its creation, and learn of its end.
type passed struct{ *session }

// Send creates the stream.
func (p *passed) Send(ctx context.Context, call *holdfast.Call) holdfast.Result {
	if !p.busy.CompareAndSwap(false, true) {
		return overlapping(call)
	}
	defer p.busy.Store(false)
	ctx = call.Context(ctx)
	if ctx.Err() != nil {
		return notSent(ctx, call)
	}
	a, err := p.open(ctx, call)
	if err != nil {
		return p.came(ctx, call, err, arrival{heard: p.witness.tells(call.Attempt)})
	}
	return a.result()
}
