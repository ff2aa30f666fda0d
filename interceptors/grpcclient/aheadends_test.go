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

// A stream that a policy discards when its header was shown is over when the policy goes on, and is
// not sent again.
func TestDiscardWaitsForWhatIsReadAhead(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := &service{list: func(n int, _ string, ss grpc.ServerStream) error {
			_ = ss.SendHeader(metadata.Pairs("n", fmt.Sprint(n)))
			return hangs(ss.Context())
		}}
		start, over := time.Now(), time.Duration(0)
		picky := holdfast.PolicyFunc(func(next holdfast.Handler) holdfast.Handler {
			return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
				res := next(ctx, call)
				res.Discard()
				over = time.Since(start)
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
		if got, err := read(stream); len(got) != 0 || status.Code(err) != codes.Internal || over != 2*time.Second || s.calls.Load() != 1 {
			t.Errorf("%q, %v, over after %v, in %d calls", got, err, over, s.calls.Load())
		}
		if md, err := stream.Header(); !slices.Equal(md["n"], []string{"1"}) || err != nil {
			t.Errorf("%v, %v afterwards", md, err)
		}
	})
}

// Header shows no header of an attempt that was discarded, whenever it is called: it waits until the
// policies have settled on an attempt.
func TestTheHeaderOfADiscardedAttemptIsNotShown(t *testing.T) {
	for _, method := range methods {
		for _, after := range []time.Duration{0, 3 * time.Second, 8 * time.Second} { // the discard is at 6 s
			bubble(t, func(t *testing.T) {
				s := &service{list: func(n int, _ string, ss grpc.ServerStream) error {
					pass(time.Second)
					_ = ss.SendHeader(metadata.Pairs("n", fmt.Sprint(n)))
					return ss.SendMsg(say(fmt.Sprint(n)))
				}}
				picky := holdfast.PolicyFunc(func(next holdfast.Handler) holdfast.Handler {
					return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
						res := next(ctx, call)
						pass(5 * time.Second)
						res.Discard()
						pass(5 * time.Second)
						return next(ctx, call.Again())
					}
				})
				cc, stop := s.dial(t, through(all, picky)...)
				defer stop()
				stream := asks(t, t.Context(), cc, method)
				pass(after)
				for range 2 {
					if md, err := stream.Header(); !slices.Equal(md["n"], []string{"2"}) || err != nil {
						t.Errorf("%s, after %v: %v, %v", method, after, md, err)
					}
				}
				if got, err := read(stream); !slices.Equal(got, []string{"2"}) || err != io.EOF {
					t.Errorf("%s, after %v: %q, %v", method, after, got, err)
				}
			})
		}
	}
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
