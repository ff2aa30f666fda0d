package grpcclient

import (
	"context"
	"fmt"

	"google.golang.org/grpc"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/holdfast-go/holdfast/discovery"
)

// Health makes a Checks.Probe for loadbalance that speaks gRPC's health protocol
// (grpc.health.v1): a node is well whose Check of the service answers SERVING; empty
// is the server as a whole. opts are those of the connection that each check makes,
// credentials among them.
func Health(service string, opts ...grpc.DialOption) func(ctx context.Context, e discovery.Endpoint) error {
	return func(ctx context.Context, e discovery.Endpoint) error {
		cc, err := grpc.NewClient("passthrough:///"+e.Addr, opts...)
		if err != nil {
			return err
		}
		defer func() { _ = cc.Close() }()
		answer, err := healthpb.NewHealthClient(cc).Check(ctx, &healthpb.HealthCheckRequest{Service: service})
		if err != nil {
			return err
		}
		if s := answer.GetStatus(); s != healthpb.HealthCheckResponse_SERVING {
			return fmt.Errorf("it is %v", s)
		}
		return nil
	}
}
