package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// A grpcSide is a node's gRPC server, on a port of its own: it is ill when the
// node is, and goes down and returns with it.
type grpcSide struct {
	addr   string
	server *grpc.Server // nil while down
	served chan struct{}
}

const (
	getItem = "/storm.v1.Items/Get" // both can be repeated: Put bears its id
	putItem = "/storm.v1.Items/Put"
)

func (n *node) serveGRPC(listener net.Listener) {
	server := grpc.NewServer()
	server.RegisterService(&grpc.ServiceDesc{
		ServiceName: "storm.v1.Items", HandlerType: (*any)(nil),
		Methods: []grpc.MethodDesc{{MethodName: "Get", Handler: n.item}, {MethodName: "Put", Handler: n.item}},
	}, nil)
	served := make(chan struct{})
	n.grpc.server, n.grpc.served = server, served
	go func() {
		defer close(served)
		_ = server.Serve(listener) // ends with Stop
	}()
}

// down closes the listener and all connections.
func (g *grpcSide) down() {
	g.server.Stop()
	<-g.served
	g.server = nil
}

// item answers one call: what it asks for is "id payload".
func (n *node) item(_ any, ctx context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) { //nolint:revive // gRPC's own signature
	in := new(wrapperspb.StringValue)
	if err := decode(in); err != nil {
		return nil, err
	}
	word, payload, _ := strings.Cut(in.GetValue(), " ")
	id, err := strconv.Atoi(word)
	if err != nil {
		return nil, status.Error(codes.NotFound, "no such item")
	}
	switch err := n.work(ctx, id); {
	case errors.Is(err, errUnavailable):
		return nil, status.Error(codes.Unavailable, err.Error())
	case err != nil:
		return nil, status.FromContextError(err).Err()
	}
	return wrapperspb.Bytes(content(id, []byte(payload))), nil
}

// grpcRequest is the request of an arrival.
func grpcRequest(a arrival) (method string, in *wrapperspb.StringValue, payload []byte) {
	if !a.post {
		return getItem, wrapperspb.String(fmt.Sprint(a.id)), nil
	}
	payload = fmt.Appendf(nil, "order %d", a.id)
	return putItem, wrapperspb.String(fmt.Sprintf("%d %s", a.id, payload)), payload
}
