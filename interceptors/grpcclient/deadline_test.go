package grpcclient_test

import (
	"context"
	"net"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

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
				grpc.WithUnaryInterceptor(door.Unary(timeout.New(c.whole), retry.New(retry.Options{Attempts: 2, Base: time.Millisecond}), timeout.New(c.attempt))))
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
