package grpcclient_test

import (
	"context"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/interceptors/grpcclient"
	"github.com/holdfast-go/holdfast/retry"
	"github.com/holdfast-go/holdfast/timeout"
)

// A clocked server notes how long each attempt says it has left, and fails it.
type clocked struct {
	healthpb.UnimplementedHealthServer
	left chan time.Duration // -1: the attempt has no deadline
}

func (c *clocked) Check(ctx context.Context, _ *healthpb.HealthCheckRequest) (*healthpb.HealthCheckResponse, error) {
	left := time.Duration(-1)
	if deadline, ok := ctx.Deadline(); ok {
		left = time.Until(deadline)
	}
	c.left <- left
	return nil, status.Error(codes.Unavailable, "again")
}

// R9: the time that is really left goes over the wire with each attempt: the
// attempt's limit, or less where the call's or the caller's deadline is nearer.
func TestR09_TheServerIsToldTheTimeLeft(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server, health := grpc.NewServer(), &clocked{left: make(chan time.Duration, 10)}
	healthpb.RegisterHealthServer(server, health)
	go func() { _ = server.Serve(l) }()
	defer server.Stop()

	for name, c := range map[string]struct{ whole, attempt, caller, want time.Duration }{
		"the attempt's limit": {time.Hour, time.Minute, 0, time.Minute},
		"the call's limit":    {30 * time.Second, time.Minute, 0, 30 * time.Second},
		"the caller's own":    {time.Hour, time.Minute, 20 * time.Second, 20 * time.Second},
		"none":                {-1, -1, 0, -1},
	} {
		t.Run(name, func(t *testing.T) {
			door := grpcclient.Wrapper{Repeatable: func(string) bool { return true }}
			conn, err := grpc.NewClient(l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDisableRetry(),
				grpc.WithUnaryInterceptor(door.Unary(timeout.New(timeout.Options{Limit: c.whole}), retry.New(retry.Options{MaxAttempts: 2, InitialInterval: time.Millisecond}), timeout.New(timeout.Options{Limit: c.attempt}))))
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = conn.Close() }()
			ctx := t.Context()
			if c.caller > 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, c.caller)
				defer cancel()
			}
			if _, err := healthpb.NewHealthClient(conn).Check(ctx, new(healthpb.HealthCheckRequest)); status.Code(err) != codes.Unavailable {
				t.Fatal(err)
			}
			for attempt := range 2 {
				switch left := <-health.left; {
				case c.want < 0 && left >= 0:
					t.Errorf("attempt %d was told %v, and there is no limit", attempt+1, left)
				case c.want >= 0 && (left > c.want || left < c.want-10*time.Second):
					t.Errorf("attempt %d was told %v, want what is left of %v", attempt+1, left, c.want)
				}
			}
		})
	}
}

// A moving is a context whose deadline is put off while the call is under way, as that of
// a limit is when this process stood still.
type moving struct {
	context.Context
	first time.Time
	moved *atomic.Bool
}

func (m moving) Deadline() (time.Time, bool) {
	if m.moved.Load() {
		return m.first.Add(time.Hour), true
	}
	return m.first, true
}

// A server that gives up at the deadline that it was told does so for our limit, which
// may have moved since: the node has had its time, and the call may go on.
func TestTheServersDeadlineIsTheOneItWasTold(t *testing.T) {
	for name, c := range map[string]struct {
		took  time.Duration
		says  error
		code  holdfast.Code
		class holdfast.Class
		get   codes.Code
	}{
		"a status":           {time.Second, status.Error(codes.DeadlineExceeded, "context deadline exceeded"), holdfast.CodeTimeout, holdfast.Failure, codes.DeadlineExceeded},
		"a reset":            {time.Second, status.Error(codes.Canceled, "stream terminated by RST_STREAM with error code: CANCEL"), holdfast.CodeTimeout, holdfast.Failure, codes.DeadlineExceeded},
		"before that":        {900 * time.Millisecond, status.Error(codes.DeadlineExceeded, "mine"), "DEADLINE_EXCEEDED", holdfast.Failure, codes.DeadlineExceeded},
		"a reset before":     {900 * time.Millisecond, status.Error(codes.Canceled, "x"), "CANCELLED", holdfast.Failure, codes.Canceled},
		"something else":     {time.Second, unavailable, "UNAVAILABLE", holdfast.Failure, codes.Unavailable},
		"an answer, at last": {time.Second, status.Error(codes.NotFound, "x"), "NOT_FOUND", holdfast.Success, codes.NotFound},
	} {
		bubble(t, func(t *testing.T) {
			p, moved := &probe{}, new(atomic.Bool)
			limits := holdfast.PolicyFunc(func(next holdfast.Handler) holdfast.Handler {
				return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
					call.Limit(time.Second)
					return next(moving{ctx, time.Now().Add(time.Second), moved}, call)
				}
			})
			says := func() error {
				pass(c.took)
				moved.Store(true)
				return c.says
			}
			asHedge := holdfast.PolicyFunc(func(next holdfast.Handler) holdfast.Handler {
				return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
					call = call.Again()
					call.Hedge = true
					return next(ctx, call)
				}
			})
			invoker := func(context.Context, string, any, any, *grpc.ClientConn, ...grpc.CallOption) error { return says() }
			for kind, call := range map[string]func() error{
				"unary": func() error { return all.Unary(p, limits)(t.Context(), get, nil, nil, nil, invoker) },
				"hedge": func() error { return all.Unary(p, asHedge, limits)(t.Context(), get, nil, nil, nil, invoker) },
				"stream": func() error {
					s, err := all.Stream(p, limits)(t.Context(), listDesc, nil, list, func(context.Context, *grpc.StreamDesc, *grpc.ClientConn, string, ...grpc.CallOption) (grpc.ClientStream, error) {
						return &late{scripted{t: t, ctx: t.Context()}, says}, nil
					})
					if err == nil {
						err = s.SendMsg(say("x"))
					}
					if err == nil {
						err = s.RecvMsg(new(message))
					}
					return err
				},
			} {
				p.results = nil
				moved.Store(false)
				err := call()
				if res := p.results[0]; res.Code != c.code || res.Class != c.class || status.Code(err) != c.get || res.Code == holdfast.CodeTimeout && res.After != 0 {
					t.Errorf("%s, %s: %+v, %v", name, kind, res, err)
				}
			}
		})
	}
}

// A late is a stream that says how it ended when it is asked for a message.
type late struct {
	scripted
	says func() error
}

func (l *late) RecvMsg(any) error { return l.says() }
