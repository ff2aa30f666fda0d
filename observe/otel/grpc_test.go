package otel_test

import (
	"context"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	grpccodes "google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/breaker"
	"github.com/holdfast-go/holdfast/hedge"
	"github.com/holdfast-go/holdfast/interceptors/grpcclient"
	holdotel "github.com/holdfast-go/holdfast/observe/otel"
)

// A health is gRPC's health server, which fails so many times first.
type health struct {
	healthpb.UnimplementedHealthServer
	fails   atomic.Int32
	hang    atomic.Int32
	parents atomic.Value
}

func (h *health) Check(ctx context.Context, _ *healthpb.HealthCheckRequest) (*healthpb.HealthCheckResponse, error) {
	md, _ := metadata.FromIncomingContext(ctx)
	old, _ := h.parents.Load().([]string)
	h.parents.Store(append(slices.Clone(old), md.Get("traceparent")...))
	if h.hang.Add(-1) >= 0 {
		<-ctx.Done()
		return nil, status.FromContextError(ctx.Err()).Err()
	}
	if h.fails.Add(-1) >= 0 {
		return nil, status.Error(grpccodes.Unavailable, "not now")
	}
	return &healthpb.HealthCheckResponse{}, nil
}

func (h *health) Watch(_ *healthpb.HealthCheckRequest, s grpc.ServerStreamingServer[healthpb.HealthCheckResponse]) error {
	for range 3 {
		if err := s.Send(&healthpb.HealthCheckResponse{}); err != nil {
			return err
		}
	}
	return nil
}

func dial(t *testing.T, h *health, policies ...holdfast.Policy) healthpb.HealthClient {
	t.Helper()
	l := bufconn.Listen(1 << 20)
	s := grpc.NewServer()
	healthpb.RegisterHealthServer(s, h)
	go func() { _ = s.Serve(l) }()
	t.Cleanup(s.Stop)
	w := grpcclient.Wrapper{Repeatable: func(string) bool { return true }}
	cc, err := grpc.NewClient("passthrough:///health:80", append(w.DialOptions(policies...), grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return l.DialContext(ctx) }))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cc.Close() })
	return healthpb.NewHealthClient(cc)
}

// T90 over gRPC: one client's span for the call, its attempts beneath on wish, and who
// is told what.
func TestT90_GRPCHasASpanForEachCall(t *testing.T) {
	for _, attempts := range []bool{false, true} {
		l, h := newLab(t, holdotel.Options{Attempts: attempts}), new(health)
		h.fails.Store(2)
		client := dial(t, h, l.Watch(quick(3))...)
		if _, err := client.Check(t.Context(), &healthpb.HealthCheckRequest{}); err != nil {
			t.Fatal(err)
		}
		tree := `
			grpc.health.v1.Health/Check client grpc OK 3 +holdfast.retry +holdfast.retry
`
		if attempts {
			tree += `			  Attempt.grpc.health.v1.Health/Check internal grpc UNAVAILABLE ERROR
			  Attempt.grpc.health.v1.Health/Check internal grpc UNAVAILABLE 1 ERROR
			  Attempt.grpc.health.v1.Health/Check internal grpc OK 2
`
		}
		l.want(t, tree, "rpc.system.name", "rpc.response.status_code", "grpc.previous-rpc-attempts", "holdfast.attempts")
		spans := l.spans.GetSpans()
		told, _ := h.parents.Load().([]string)
		for i := range told {
			want := spans[0].SpanContext.SpanID()
			if attempts {
				want = spans[i].SpanContext.SpanID()
			}
			if !strings.Contains(told[i], want.String()) {
				t.Errorf("attempt %d tells %q", i+1, told[i])
			}
		}
		a := l.attributes(len(spans) - 1)
		if len(told) != 3 || a["server.address"] != "health" || a["server.port"] != "80" || a["rpc.method"] != "grpc.health.v1.Health/Check" {
			t.Errorf("%d, %v", len(told), a)
		}
		m := l.metrics(t)
		if m["rpc.client.call.duration"] != 1 || m["grpc.client.call.retries"] != 1 || m["grpc.client.call.retry_delay"] != 1 || m["grpc.client.call.hedges"] != 0 ||
			m["rpc.client.call.duration rpc.method=grpc.health.v1.Health/Check,rpc.response.status_code=OK,rpc.system.name=grpc,server.address=health,server.port=80"] != 1 {
			t.Errorf("%v", m)
		}
	}
}

func TestGRPCSpansOfHedgesBreakersAndStreams(t *testing.T) {
	t.Run("a hedge that wins", func(t *testing.T) {
		l, h := newLab(t, holdotel.Options{Attempts: true}), new(health)
		h.hang.Store(1)
		client := dial(t, h, l.Watch(hedge.New(hedge.Options{Delay: 20 * time.Millisecond, Share: -1}))...)
		if _, err := client.Check(t.Context(), &healthpb.HealthCheckRequest{}); err != nil {
			t.Fatal(err)
		}
		l.want(t, `
			grpc.health.v1.Health/Check client OK +holdfast.hedge +holdfast.hedge_won
			  Attempt.grpc.health.v1.Health/Check internal CANCELLED true
			  Attempt.grpc.health.v1.Health/Check internal OK 1 true
`, "rpc.response.status_code", "grpc.previous-rpc-attempts", "holdfast.superseded", "holdfast.hedge")
		if m := l.metrics(t); m["grpc.client.call.hedges"] != 1 {
			t.Errorf("%v", m)
		}
	})
	t.Run("a circuit that is open", func(t *testing.T) {
		l, h := newLab(t, holdotel.Options{Attempts: true}), new(health)
		h.fails.Store(1)
		client := dial(t, h, l.Watch(breaker.New(breaker.Options{ConsecutiveFailures: 1, OpenDuration: time.Hour}))...)
		_, _ = client.Check(t.Context(), &healthpb.HealthCheckRequest{})
		l.spans.Reset()
		_, _ = client.Check(t.Context(), &healthpb.HealthCheckRequest{})
		l.want(t, `
			grpc.health.v1.Health/Check client UNAVAILABLE circuit_open ERROR +holdfast.rejection
`, "rpc.response.status_code", "error.type")
	})
	t.Run("a stream", func(t *testing.T) {
		l, h := newLab(t, holdotel.Options{Attempts: true}), new(health)
		client := dial(t, h, l.Watch(quick(3))...)
		s, err := client.Watch(t.Context(), &healthpb.HealthCheckRequest{})
		for err == nil {
			_, err = s.Recv()
		}
		l.want(t, `
			grpc.health.v1.Health/Watch client OK
			  Attempt.grpc.health.v1.Health/Watch internal OK
`, "rpc.response.status_code")
	})
}
