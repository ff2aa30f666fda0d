package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/breaker"
	"github.com/holdfast-go/holdfast/interceptors/grpcclient"
	"github.com/holdfast-go/holdfast/loadbalance"
	holdprom "github.com/holdfast-go/holdfast/observe/prometheus"
	"github.com/holdfast-go/holdfast/preset"
)

const inTurn = `"loadBalancingConfig": [{"round_robin": {}}]`

// byEWMA has gRPC pick as holdfast's HTTP client does, and its endpoints seen in the
// metrics. Balancers are registered before there are any.
var (
	pools  atomic.Pointer[holdprom.Metrics]
	byEWMA = grpcclient.Balancer("storm_peak_ewma", loadbalance.PeakEWMA, loadbalance.Options{Opened: func(p holdfast.Measured) func() {
		if m := pools.Load(); m != nil {
			return m.Pools("grpc holdfast")(p)
		}
		return nil
	}})
)

// itsOwn is a retry policy of gRPC as a careful user sets it up: as many attempts
// as holdfast's client makes.
const itsOwn = `{` + inTurn + `, "methodConfig": [{"name": [{}], "retryPolicy": {"maxAttempts": 3, "initialBackoff": "0.05s",
	"maxBackoff": "1s", "backoffMultiplier": 2, "retryableStatusCodes": ["UNAVAILABLE"]}}],
	"retryThrottling": {"maxTokens": 100, "tokenRatio": 0.1}}`

// newGRPCBare is gRPC with the nodes in turn and its own retry policy.
func newGRPCBare(nodes []string) (*client, error) {
	conn, err := dial(nodes, grpc.WithDefaultServiceConfig(itsOwn))
	if err != nil {
		return nil, err
	}
	return grpcClient("grpc bare", conn, nil), nil
}

// newGRPCHoldfast is gRPC with peak EWMA, the Standard preset and hedging.
func newGRPCHoldfast(nodes []string, phases int, m *meter) (*client, error) {
	const name = "grpc holdfast"
	pools.Store(m.metrics)
	deeds := newDeeds(phases)
	c := preset.Standard()
	c.Timeout.Limit, c.Attempt, c.Hedge.MaxHedges = patience, attemptLimit, 1
	deeds.listen(&c)
	stack, err := preset.NewStack(c)
	if err != nil {
		return nil, err
	}
	door := grpcclient.Wrapper{Repeatable: grpcclient.Methods("/storm.v1.Items/")}
	conn, err := dial(nodes, append(door.DialOptions(m.metrics.Watch(name, stack)...), grpc.WithDefaultServiceConfig(byEWMA))...)
	if err != nil {
		return nil, err
	}
	deeds.budget, deeds.target = stack.Budget(), conn.Target()
	return grpcClient(name, conn, deeds), nil
}

// soon has both connect again within a second, when a server is back: gRPC's own
// backoff goes up to two minutes.
var soon = grpc.ConnectParams{
	Backoff:           backoff.Config{BaseDelay: 50 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 500 * time.Millisecond},
	MinConnectTimeout: time.Second,
}

func dial(nodes []string, opts ...grpc.DialOption) (*grpc.ClientConn, error) {
	known := manual.NewBuilderWithScheme("storm")
	var state resolver.State
	for _, addr := range nodes {
		state.Endpoints = append(state.Endpoints, resolver.Endpoint{Addresses: []resolver.Address{{Addr: addr}}})
	}
	known.InitialState(state)
	return grpc.NewClient("storm:///"+target, append(opts, grpc.WithResolvers(known),
		grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithStatsHandler(wireCount{new(sync.Map)}), grpc.WithConnectParams(soon))...)
}

func grpcClient(name string, conn *grpc.ClientConn, deeds *deeds) *client {
	return &client{name: name, deeds: deeds, close: func() { _ = conn.Close() }, call: func(a arrival, s *sample) string {
		ctx, cancel := context.WithTimeout(withSample(context.Background(), s), patience)
		defer cancel()
		method, in, payload := grpcRequest(a)
		out := new(wrapperspb.BytesValue)
		switch err := conn.Invoke(ctx, method, in, out); {
		case err != nil:
			return grpcReason(err)
		case !bytes.Equal(out.GetValue(), content(a.id, payload)):
			return "wrong answer"
		}
		return ""
	}}
}

// grpcReason names an error as reason does.
func grpcReason(err error) string {
	switch code := status.Code(err); {
	case errors.Is(err, breaker.ErrOpen):
		return circuitOpen
	case code == codes.DeadlineExceeded:
		return "timed out"
	case code == codes.Unavailable:
		return "unavailable"
	default:
		return fmt.Sprint(code)
	}
}

// wireCount counts the attempts that gRPC makes, whoever asked for them. Of one whose stream could
// not be created gRPC begins two more, and calls only the first of them transparent: where a Call
// is known it counts once.
type wireCount struct{ calls *sync.Map }

// TagRPC leaves the context as it is.
func (wireCount) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context { return ctx }

// HandleRPC counts.
func (w wireCount) HandleRPC(ctx context.Context, s stats.RPCStats) {
	begin, ok := s.(*stats.Begin)
	if !ok || begin.IsTransparentRetryAttempt {
		return
	}
	if call := holdfast.CallFrom(ctx); call != nil {
		if _, again := w.calls.LoadOrStore(call, true); again {
			return
		}
	}
	atomic.AddInt32(&sampleOf(ctx).attempts, 1)
}

// TagConn leaves the context as it is.
func (wireCount) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }

// HandleConn does nothing.
func (wireCount) HandleConn(context.Context, stats.ConnStats) {}
