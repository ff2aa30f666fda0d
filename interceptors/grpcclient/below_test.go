package grpcclient_test

import (
	"context"
	"errors"
	"io"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/interceptors/grpcclient"
	"github.com/holdfast-go/holdfast/timeout"
)

// Nothing of the door's own calls Context of gRPC's stream, and every attempt's
// context is over when the call is.
func TestGRPCsStreamIsLeftAlone(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var made []*scripted
		stream, err := all.Stream(timeout.New(timeout.Options{Limit: time.Hour}), again(4), timeout.New(timeout.Options{Limit: time.Minute}))(t.Context(), listDesc, nil, list, below(t, &made, "x", "e", "w", "mm"))
		if err != nil {
			t.Fatal(err)
		}
		_ = stream.SendMsg(say("x"))
		if got, err := read(stream); len(got) != 2 || err != io.EOF {
			t.Errorf("%q, %v", got, err)
		}
		for i, s := range made {
			if s.ctx.Err() == nil {
				t.Errorf("attempt %d is not let go of", i+1)
			}
		}
		if len(made) != 4 {
			t.Errorf("%d attempts", len(made))
		}
	})
}

// An attempt that was told the end of its stream does not ask again, and one that
// follows another begins with an empty message.
func TestNothingIsAskedTwice(t *testing.T) {
	for _, last := range []string{"", "e"} {
		var made []*scripted
		stream, err := all.Stream(again(3))(t.Context(), listDesc, nil, list, below(t, &made, "e", "e", last))
		if err != nil {
			t.Fatal(err)
		}
		_ = stream.SendMsg(say("x"))
		if _, err := read(stream); (err == io.EOF) != (last == "") || len(made) != 3 {
			t.Errorf("%v in %d attempts", err, len(made))
		}
		for i, s := range made {
			if s.after != 0 {
				t.Errorf("attempt %d was asked %d times more", i+1, s.after)
			}
		}
	}
}

// A message that comes without a header, which an interceptor may make of it,
// is no silent loss.
func TestAMessageWithoutAHeaderIsNotLost(t *testing.T) {
	streamer := func(ctx context.Context, _ *grpc.StreamDesc, _ *grpc.ClientConn, _ string, _ ...grpc.CallOption) (grpc.ClientStream, error) {
		return headerless{&scripted{t: t, ctx: ctx, script: "mm"}}, nil
	}
	for method, lost := range map[string]bool{list: false, "/test.Undeclared/List": true} {
		stream, _ := all.Stream()(t.Context(), listDesc, nil, method, streamer)
		_ = stream.SendMsg(say("x"))
		_, _ = stream.Header()
		got, err := read(stream)
		if (len(got) == 0) != lost || (status.Code(err) == codes.Internal) != lost {
			t.Errorf("%s: %q, %v", method, got, err)
		}
	}
}

type headerless struct{ *scripted }

func (headerless) Header() (metadata.MD, error) { return nil, nil }

// A panic from below reaches the caller, and nothing hangs or is held.
func TestPanicsFromBelow(t *testing.T) {
	var under context.Context
	for _, at := range []string{"NewStream", "RecvMsg"} {
		streamer := func(ctx context.Context, _ *grpc.StreamDesc, _ *grpc.ClientConn, _ string, _ ...grpc.CallOption) (grpc.ClientStream, error) {
			under = ctx
			if at == "NewStream" {
				panic(at)
			}
			return panics{&scripted{t: t, ctx: ctx}}, nil
		}
		stream, _ := all.Stream(again(3))(t.Context(), listDesc, nil, list, streamer)
		_ = stream.SendMsg(say("x"))
		func() {
			defer func() {
				if got := recover(); got != at {
					t.Errorf("recovered %v", got)
				}
			}()
			_ = stream.RecvMsg(new(message))
		}()
		if under.Err() == nil {
			t.Errorf("%s: the attempt's context is held", at)
		}
		if err := stream.RecvMsg(new(message)); status.Code(err) != codes.Internal {
			t.Errorf("%s: %v afterwards", at, err)
		}
	}
}

type panics struct{ *scripted }

func (panics) RecvMsg(any) error { panic("RecvMsg") }

// A policy that makes two attempts of a stream at once is told so.
func TestOverlappingAttemptsOfAStreamAreRefused(t *testing.T) {
	for _, desc := range []*grpc.StreamDesc{listDesc, chatDesc} {
		bubble(t, func(t *testing.T) {
			var second holdfast.Result
			hedge := holdfast.PolicyFunc(func(next holdfast.Handler) holdfast.Handler {
				return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
					var wg sync.WaitGroup
					wg.Go(func() {
						pass(time.Second)
						second = next(ctx, call.Again())
					})
					res := next(ctx, call)
					wg.Wait()
					return res
				}
			})
			streamer := func(ctx context.Context, _ *grpc.StreamDesc, _ *grpc.ClientConn, _ string, _ ...grpc.CallOption) (grpc.ClientStream, error) {
				pass(2 * time.Second)
				return &scripted{t: t, ctx: ctx, script: "m"}, nil
			}
			stream, err := all.Stream(hedge)(t.Context(), desc, nil, chat, streamer)
			if err != nil {
				t.Fatal(err)
			}
			_ = stream.SendMsg(say("x"))
			if got, err := read(stream); len(got) != 1 || err != io.EOF {
				t.Errorf("%q, %v", got, err)
			}
			if second.Err == nil || second.Class != holdfast.LocalFault || second.Code != holdfast.CodeConfig {
				t.Errorf("the second attempt: %+v", second)
			}
		})
	}
}

// gRPC's own retry goes on working beneath a door that repeats nothing.
func TestGRPCsOwnRetryWorksBeneath(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := &service{native: true, get: failsFirst(2, unavailable), list: func(n int, _ string, ss grpc.ServerStream) error {
			if n < 6 {
				return unavailable
			}
			return ss.SendMsg(say("ok"))
		}}
		s.stream = func(n int, ss grpc.ServerStream) error {
			if n < 9 {
				return unavailable
			}
			return echoes(n, ss)
		}
		cc, stop := s.dial(t, append(through(grpcclient.Wrapper{}, again(3), timeout.New(timeout.Options{Limit: time.Hour})),
			grpc.WithDefaultServiceConfig(`{"methodConfig":[{"name":[{}],"retryPolicy":{"maxAttempts":3,"initialBackoff":"1s","maxBackoff":"1s","backoffMultiplier":1,"retryableStatusCodes":["UNAVAILABLE"]}}]}`))...)
		defer stop()
		if err := cc.Invoke(t.Context(), get, say("x"), new(message)); err != nil {
			t.Errorf("unary: %v", err)
		}
		if got, err := read(lister(t, t.Context(), cc, "x")); len(got) != 1 {
			t.Errorf("server stream: %q, %v", got, err)
		}
		both, err := cc.NewStream(t.Context(), chatDesc, chat)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(both.SendMsg(say("chat")), both.RecvMsg(new(message)), both.CloseSend()); err != nil {
			t.Errorf("bidi: %v", err)
		}
		if got, err := read(both); len(got) != 1 {
			t.Errorf("bidi: %q, %v", got, err)
		}
		if s.calls.Load() != 9 {
			t.Errorf("%d calls, want 9", s.calls.Load())
		}
	})
}
