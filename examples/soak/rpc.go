package main

import (
	"context"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/interceptors/grpcclient"
	"github.com/holdfast-go/holdfast/loadbalance"
)

const (
	get  = "/soak.v1.Items/Get"
	list = "/soak.v1.Items/List"
)

var listDesc = &grpc.StreamDesc{StreamName: "List", ServerStreams: true}

func newRPC(n *node) *grpc.Server {
	server := grpc.NewServer()
	server.RegisterService(&grpc.ServiceDesc{
		ServiceName: "soak.v1.Items", HandlerType: (*any)(nil),
		Methods: []grpc.MethodDesc{{MethodName: "Get", Handler: n.get}},
		Streams: []grpc.StreamDesc{{StreamName: "List", ServerStreams: true, Handler: n.list}},
	}, nil)
	return server
}

// outcome is what becomes of an RPC, as well as the node is.
func (n *node) outcome(ctx context.Context) error {
	switch n.today() {
	case slow:
		sleep(ctx, time.Duration(n.draw(700))*time.Millisecond)
	case failing, resets, halves:
		return status.Error(codes.Unavailable, "ill")
	case hangs:
		sleep(ctx, 20*time.Second)
		return status.FromContextError(ctx.Err()).Err()
	case overloaded:
		return status.Error(codes.ResourceExhausted, "too much")
	}
	return nil
}

func (n *node) get(_ any, ctx context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) { //nolint:revive // gRPC's own signature
	in := new(wrapperspb.StringValue)
	if err := decode(in); err != nil {
		return nil, err
	}
	if err := n.outcome(ctx); err != nil {
		return nil, err
	}
	return wrapperspb.String(answer), nil
}

// list sends three messages; the node may break off before the last.
func (n *node) list(_ any, stream grpc.ServerStream) error {
	if err := stream.RecvMsg(new(wrapperspb.StringValue)); err != nil {
		return err
	}
	for i := range 3 {
		if i != 1 {
			if err := n.outcome(stream.Context()); err != nil {
				return err
			}
		}
		if err := stream.SendMsg(wrapperspb.String(answer)); err != nil {
			return err
		}
	}
	return nil
}

var byEWMA = grpcclient.Balancer("soak_peak_ewma", loadbalance.PeakEWMA, loadbalance.Options{Eject: eject})

func dial(nodes []*node, policy holdfast.Policy) (*grpc.ClientConn, error) {
	known := manual.NewBuilderWithScheme("soak")
	var state resolver.State
	for _, n := range nodes {
		state.Endpoints = append(state.Endpoints, resolver.Endpoint{Addresses: []resolver.Address{{Addr: n.rpcAddr}}})
	}
	known.InitialState(state)
	door := grpcclient.Wrapper{Repeatable: grpcclient.Methods("/soak.v1.Items/")}
	soon := grpc.ConnectParams{Backoff: backoff.Config{BaseDelay: 50 * time.Millisecond, Multiplier: 1.6, MaxDelay: 500 * time.Millisecond}, MinConnectTimeout: time.Second}
	return grpc.NewClient("soak:///items", append(door.DialOptions(policy), grpc.WithDefaultServiceConfig(byEWMA), grpc.WithResolvers(known),
		grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithConnectParams(soon))...)
}
