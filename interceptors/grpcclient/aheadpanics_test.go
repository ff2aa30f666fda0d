package grpcclient_test

import (
	"context"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/limit"
)

// Where a codec, or an interceptor, panics on the caller's goroutine and the caller goes on, the
// stream is over and what it held is free.
func TestAPanicAtAMessageFreesWhatIsHeld(t *testing.T) {
	for _, desc := range []*grpc.StreamDesc{listDesc, chatDesc} {
		for _, at := range []string{"RecvMsg", "SendMsg", "Header", "CloseSend"} {
			if at != "RecvMsg" && !desc.ClientStreams {
				continue // it is done by the policies
			}
			bubble(t, func(t *testing.T) {
				var breaks atomic.Bool
				s, p := &service{list: endless, stream: func(n int, ss grpc.ServerStream) error { return endless(n, "", ss) }}, &probe{}
				places := limit.NewInFlight(limit.InFlightOptions{Max: 1})
				cc, stop := s.dial(t, append(through(all, places, p), grpc.WithChainStreamInterceptor(func(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, next grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
					inner, err := next(ctx, desc, cc, method, opts...)
					return breaking{inner, &breaks}, err
				}))...)
				defer stop()
				open := func() grpc.ClientStream {
					stream, err := cc.NewStream(t.Context(), desc, "/test.Service/"+desc.StreamName)
					if err != nil {
						t.Fatal(err)
					}
					if !desc.ClientStreams {
						_ = stream.SendMsg(say("x"))
					}
					return stream
				}
				stream := open()
				if at != "Header" {
					if err := stream.RecvMsg(new(message)); err != nil {
						t.Fatal(err)
					}
				}
				breaks.Store(true)
				func() {
					defer func() {
						if recover() == nil {
							t.Errorf("%s: no panic", at)
						}
					}()
					switch at {
					case "SendMsg":
						_ = stream.SendMsg(say("y"))
					case "Header":
						_, _ = stream.Header()
					case "CloseSend":
						_ = stream.CloseSend()
					default:
						_ = stream.RecvMsg(new(message))
					}
				}()
				breaks.Store(false)
				if end := p.over(t, 1)[0]; end.Code != holdfast.CodePanic || end.Class != holdfast.Ignored {
					t.Errorf("%s: %+v", at, end)
				}
				another := open()
				if err := another.RecvMsg(new(message)); err != nil {
					t.Errorf("%s: the place is held: %v", at, err)
				}
			})
		}
	}
}

type breaking struct {
	grpc.ClientStream
	now *atomic.Bool
}

func (b breaking) SendMsg(m any) error {
	if b.now.Load() {
		panic("a codec")
	}
	return b.ClientStream.SendMsg(m)
}

func (b breaking) Header() (metadata.MD, error) {
	if b.now.Load() {
		panic("an interceptor")
	}
	return b.ClientStream.Header()
}

func (b breaking) CloseSend() error {
	if b.now.Load() {
		panic("an interceptor")
	}
	return b.ClientStream.CloseSend()
}

func (b breaking) RecvMsg(m any) error {
	if b.now.Load() {
		panic("a codec")
	}
	return b.ClientStream.RecvMsg(m)
}
