package main

import (
	"context"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/holdfast-go/holdfast/interceptors/grpcclient"
	"github.com/holdfast-go/holdfast/retry"
)

// serve starts a health server that is unavailable to its first calls.
func serve(t *testing.T, failures int32) (addr string) {
	t.Helper()
	var calls atomic.Int32
	server := grpc.NewServer(grpc.UnaryInterceptor(
		func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, h grpc.UnaryHandler) (any, error) {
			if calls.Add(1) <= failures {
				return nil, status.Error(codes.Unavailable, "not yet")
			}
			return h(ctx, req)
		}))
	grpc_health_v1.RegisterHealthServer(server, health.NewServer())
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(server.Stop)
	return l.Addr().String()
}

func check(t *testing.T, conn *grpc.ClientConn) error {
	t.Helper()
	t.Cleanup(func() { _ = conn.Close() })
	_, err := grpc_health_v1.NewHealthClient(conn).Check(t.Context(), &grpc_health_v1.HealthCheckRequest{})
	return err
}

func TestWhatMayBeRepeatedIs(t *testing.T) {
	conn, err := dial(serve(t, 1))
	if err != nil {
		t.Fatal(err)
	}
	if err := check(t, conn); err != nil {
		t.Errorf("got %v, want the second attempt's answer", err)
	}
}

// Where nothing says that a method may be repeated, a failure comes back as it is.
func TestNothingIsRepeatedUnasked(t *testing.T) {
	conn, err := grpc.NewClient(serve(t, 1),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithChainUnaryInterceptor(grpcclient.Wrapper{}.Unary(retry.New(retry.Options{InitialInterval: time.Millisecond}))),
		grpc.WithDisableRetry(),
	)
	if err != nil {
		t.Fatal(err)
	}
	if err := check(t, conn); status.Code(err) != codes.Unavailable {
		t.Errorf("got %v, want the server's Unavailable", err)
	}
}
