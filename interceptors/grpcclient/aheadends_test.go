package grpcclient_test

import (
	"context"
	"fmt"
	"io"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/holdfast-go/holdfast"
)

// A stream that a policy discards when its header was shown is over when the policy goes on.
func TestDiscardWaitsForWhatIsReadAhead(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := &service{list: func(n int, _ string, ss grpc.ServerStream) error {
			_ = ss.SendHeader(metadata.Pairs("n", fmt.Sprint(n)))
			if n == 1 {
				return hangs(ss.Context())
			}
			return ss.SendMsg(say("second"))
		}}
		picky := holdfast.PolicyFunc(func(next holdfast.Handler) holdfast.Handler {
			return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
				res := next(ctx, call)
				res.Discard()
				return next(ctx, call.Again())
			}
		})
		slow := func(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, next grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
			inner, err := next(ctx, desc, cc, method, opts...)
			return writesLate{inner}, err
		}
		cc, stop := s.dial(t, append(through(all, picky), grpc.WithChainStreamInterceptor(slow))...)
		defer stop()
		stream := asks(t, t.Context(), cc, undeclared)
		go func() {
			pass(time.Second)
			_, _ = stream.Header()
		}()
		if got, err := read(stream); !slices.Equal(got, []string{"second"}) || err != io.EOF {
			t.Errorf("%q, %v", got, err)
		}
	})
}

// A writesLate writes to the message of a receive that fails, some time later.
type writesLate struct{ grpc.ClientStream }

func (w writesLate) RecvMsg(m any) error {
	err := w.ClientStream.RecvMsg(m)
	if err != nil {
		pass(time.Second)
		m.(*message).Value = "late"
	}
	return err
}

// A panic in what runs before the caller comes is the caller's, once.
func TestPanicsReachTheReader(t *testing.T) {
	for name, come := range map[string]func(s grpc.ClientStream){
		"RecvMsg": func(s grpc.ClientStream) { _ = s.RecvMsg(new(message)) },
		"Header":  func(s grpc.ClientStream) { _, _ = s.Header() },
	} {
		bubble(t, func(t *testing.T) {
			s := &service{list: sends(nil, "a")}
			cc, stop := s.dial(t, through(all, holdfast.PolicyFunc(func(holdfast.Handler) holdfast.Handler {
				return func(context.Context, *holdfast.Call) holdfast.Result { panic("mine") }
			}))...)
			defer stop()
			stream := asks(t, t.Context(), cc, list)
			synctest.Wait()
			func() {
				defer func() {
					if got := recover(); got != "mine" {
						t.Errorf("%s: recovered %v", name, got)
					}
				}()
				come(stream)
			}()
			if err := stream.RecvMsg(new(message)); status.Code(err) != codes.Internal {
				t.Errorf("%s: %v afterwards", name, err)
			}
		})
	}
}
