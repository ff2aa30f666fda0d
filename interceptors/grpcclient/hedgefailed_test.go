package grpcclient_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"github.com/holdfast-go/holdfast"
)

// Whose error it is, among several that say the same, tells whose header and trailer the
// caller gets.
func TestAFailureAmongSeveralIsOneBackends(t *testing.T) {
	for name, c := range map[string]struct {
		hedges bool
		wrap   func(error) error
		want   string
	}{
		"the first":           {false, func(err error) error { return &holdfast.AttemptsError{Err: err} }, "1"},
		"the hedge":           {true, func(err error) error { return &holdfast.AttemptsError{Err: err} }, "2"},
		"the hedge, and more": {true, func(err error) error { return errors.Join(errOpen, err) }, "2"},
	} {
		bubble(t, func(t *testing.T) {
			s := &service{get: func(ctx context.Context, n int, _ string) (string, error) {
				tells(ctx, fmt.Sprint(n))
				return "", status.Error(codes.Unavailable, "down")
			}}
			both := holdfast.PolicyFunc(func(next holdfast.Handler) holdfast.Handler {
				return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
					res := next(ctx, call)
					hedge := call.Again()
					hedge.Hedge = true
					if of := next(ctx, hedge); c.hedges {
						res = of
					}
					res.Err = c.wrap(res.Err)
					return res
				}
			})
			cc, stop := s.dial(t, through(all, both)...)
			defer stop()
			var trailer metadata.MD
			err := cc.Invoke(t.Context(), get, say("x"), new(message), grpc.Trailer(&trailer))
			if status.Convert(err).Message() != "down" || !slices.Equal(trailer["who"], []string{c.want}) {
				t.Errorf("%s: %v, %v", name, err, trailer)
			}
		})
	}
}

// What gRPC does not tell of a hedge stays untold.
func TestAHedgeThatTellsNothingLeavesNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		invoker := func(ctx context.Context, _ string, _, _ any, _ *grpc.ClientConn, _ ...grpc.CallOption) error {
			if holdfast.CallFrom(ctx).Hedge {
				return nil
			}
			<-ctx.Done()
			return ctx.Err()
		}
		header, from := metadata.Pairs("a", "b"), peer.Peer{}
		err := all.Unary(hedges(time.Millisecond))(t.Context(), get, say("x"), new(message), nil, invoker, grpc.Header(&header), grpc.Peer(&from))
		if err != nil || header != nil || from.Addr != nil {
			t.Errorf("%v, %v, %v", err, header, from)
		}
	})
}
