package grpcclient_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/holdfast-go/holdfast/interceptors/grpcclient"
)

// T70: what a fallback returns is copied into the caller's reply, and stays its own.
func TestT70_AFallbackIsCopiedIntoTheReply(t *testing.T) {
	type own struct{ n int }
	cached := say("from the cache")
	var failed error
	for name, c := range map[string]struct {
		reply, answer any
		err           error // of the fallback
		want          codes.Code
	}{
		"a message":           {new(message), cached, nil, codes.OK},
		"no reply":            {nil, cached, nil, codes.OK},
		"a type of one's own": {&own{}, &own{7}, nil, codes.OK},
		"another message":     {new(message), durationpb.New(1), nil, codes.Internal},
		"another type":        {&own{}, cached, nil, codes.Internal},
		"nothing":             {new(message), nil, nil, codes.Unavailable},
		"a nil message":       {new(message), (*message)(nil), nil, codes.Unavailable},
		"nothing of a type":   {&own{}, (*own)(nil), nil, codes.Unavailable},
		"an error":            {new(message), cached, errors.New("no cache"), codes.Unavailable},
	} {
		w := grpcclient.Wrapper{Fallback: func(_ context.Context, method string, req any, err error) (any, error) {
			failed = err
			if method != get || req.(*message).GetValue() != "x" {
				t.Errorf("%s: asked for %s of %v", name, method, req)
			}
			return c.answer, c.err
		}}
		down := func(context.Context, string, any, any, *grpc.ClientConn, ...grpc.CallOption) error {
			return status.Error(codes.Unavailable, "down")
		}
		err := w.Unary(again(2))(t.Context(), get, say("x"), c.reply, nil, down)
		if status.Code(err) != c.want || status.Code(failed) != codes.Unavailable {
			t.Errorf("%s: %v, asked with %v", name, err, failed)
		}
		switch reply := c.reply.(type) {
		case *message:
			if (reply.GetValue() == "from the cache") != (c.want == codes.OK) {
				t.Errorf("%s: %v", name, reply)
			}
			if reply.Value = "mine"; cached.GetValue() != "from the cache" {
				t.Fatal("the cache's message is the caller's")
			}
		case *own:
			if (reply.n == 7) != (c.want == codes.OK) {
				t.Errorf("%s: %v", name, reply)
			}
		}
		if c.want == codes.Internal && !strings.Contains(err.Error(), "Fallback") {
			t.Errorf("%s: %v", name, err)
		}
	}
	old := &durationpb.Duration{Seconds: 1, Nanos: 5}
	fresh := grpcclient.Wrapper{Fallback: func(context.Context, string, any, error) (any, error) { return durationpb.New(3e9), nil }}
	fails := func(context.Context, string, any, any, *grpc.ClientConn, ...grpc.CallOption) error {
		return status.Error(codes.Internal, "down")
	}
	if err := fresh.Unary()(t.Context(), get, say("x"), old, nil, fails); err != nil || old.AsDuration() != 3e9 {
		t.Errorf("over what was in the reply: %v %v", old, err)
	}
	fine := func(_ context.Context, _ string, _, reply any, _ *grpc.ClientConn, _ ...grpc.CallOption) error {
		reply.(*message).Value = "fresh"
		return nil
	}
	w := grpcclient.Wrapper{Fallback: func(context.Context, string, any, error) (any, error) { t.Error("asked for nothing"); return nil, nil }}
	if err := w.Unary()(t.Context(), get, say("x"), new(message), nil, fine); err != nil {
		t.Error(err)
	}
}
