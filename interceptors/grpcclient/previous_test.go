package grpcclient_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
)

// The caller learns from the header of an answer how many attempts came before it
// (gRFC A6, "Exposed Retry Metadata"); what a server says of that itself does not count
// from the second attempt on.
func TestACallerLearnsHowOftenItsCallWasSent(t *testing.T) {
	const key = "grpc-previous-rpc-attempts"
	for failures, want := range [][]string{nil, {"1"}, {"2"}} {
		bubble(t, func(t *testing.T) {
			fails := func(ctx context.Context, n int) error {
				if n <= failures {
					return unavailable
				}
				md := metadata.Pairs("a", "b")
				if n > 1 {
					md.Set(key, "99")
				}
				return grpc.SetHeader(ctx, md)
			}
			s := &service{
				get: func(ctx context.Context, n int, _ string) (string, error) { return "ok", fails(ctx, n) },
				list: func(n int, _ string, ss grpc.ServerStream) error {
					if err := fails(ss.Context(), n); err != nil {
						return err
					}
					return ss.SendMsg(say("ok"))
				},
			}
			cc, stop := s.dial(t, through(all, again(3))...)
			defer stop()
			check := func(kind string, header metadata.MD) {
				t.Helper()
				if !slices.Equal(header[key], want) || !slices.Equal(header["a"], []string{"b"}) {
					t.Errorf("%s after %d failures: %v, want %v", kind, failures, header, want)
				}
			}
			var header metadata.MD
			if err := cc.Invoke(t.Context(), get, say("x"), new(message), grpc.Header(&header)); err != nil {
				t.Fatal(err)
			}
			check("unary", header)
			s.calls.Store(0)
			header = nil
			stream := lister(t, t.Context(), cc, "x", grpc.Header(&header))
			if err := stream.RecvMsg(new(message)); err != nil {
				t.Fatal(err)
			}
			md, _ := stream.Header()
			check("stream", md)
			_, _ = read(stream)
			check("stream's option", header)
			s.calls.Store(0)
			md, _ = lister(t, t.Context(), cc, "x").Header()
			check("stream, header first", md)
		})
	}
}

// So it does of a hedge, and of an answer without a header there is nothing to be told.
func TestAHedgesHeaderTellsOfTheAttemptBeforeIt(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := &service{get: func(ctx context.Context, n int, _ string) (string, error) {
			if n == 1 {
				return "", hangs(ctx)
			}
			return "ok", nil
		}}
		cc, stop := s.dial(t, through(all, hedges(10*time.Millisecond))...)
		var header metadata.MD
		if err := cc.Invoke(t.Context(), get, say("x"), new(message), grpc.Header(&header)); err != nil || !slices.Equal(header["grpc-previous-rpc-attempts"], []string{"1"}) {
			t.Errorf("%v: %v", err, header)
		}
		stop()
		s = &service{get: failsFirst(9, unavailable)}
		cc, stop = s.dial(t, through(all, again(3))...)
		defer stop()
		if err := cc.Invoke(t.Context(), get, say("x"), new(message), grpc.Header(&header)); err == nil || len(header) != 0 {
			t.Errorf("%v: %v", err, header)
		}
	})
}
