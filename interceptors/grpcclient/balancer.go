package grpcclient

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/balancer/endpointsharding"
	"google.golang.org/grpc/balancer/pickfirst"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/serviceconfig"
	"google.golang.org/grpc/status"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/discovery"
	"github.com/holdfast-go/holdfast/internal/input"
	"github.com/holdfast-go/holdfast/loadbalance"
)

// Balancer registers a balancer of gRPC under a name, which picks by the strategy
// among the nodes that the channel's resolver finds and a connection is ready to:
// the same nodes, ejection, guards and slow start as a loadbalance.Set has. It
// returns the service config that chooses it, for grpc.WithDefaultServiceConfig.
// Call it while the program starts, before any channel is made, as gRPC's registry
// is not safe for concurrent use.
//
// Endpoints from Resolver keep their weights, zones and priorities, and a change of
// these reconnects nothing; those from another resolver have their addresses alone.
// Hedges and repeats go to endpoints that the call has not been sent to.
func Balancer(name string, strategy loadbalance.Strategy, o loadbalance.Options) (serviceConfig string) {
	balancer.Register(&builder{name: name, strategy: strategy, o: o})
	return fmt.Sprintf(`{"loadBalancingConfig": [{%q: {}}]}`, name)
}

type builder struct {
	name     string
	strategy loadbalance.Strategy
	o        loadbalance.Options
}

// Name is the one that it was registered under.
func (b *builder) Name() string { return b.name }

// ParseConfig reads the config of a service config, which has no fields.
func (b *builder) ParseConfig(text json.RawMessage) (serviceconfig.LoadBalancingConfig, error) {
	var fields map[string]any
	if err := json.Unmarshal(text, &fields); err != nil {
		return nil, fmt.Errorf("grpcclient: the config of %s: %w", b.name, input.Brief(err))
	}
	for name := range fields {
		return nil, fmt.Errorf("grpcclient: the config of %s has no field %s: it is {}", b.name, input.Show(name))
	}
	return nil, nil //nolint:nilnil // there is nothing to be known
}

// Build makes the balancer of a channel: pick_first for each endpoint, and one Pool
// to choose among those that are ready.
func (b *builder) Build(cc balancer.ClientConn, o balancer.BuildOptions) balancer.Balancer {
	lb := &balanced{ClientConn: cc, pool: loadbalance.NewPool(b.strategy, b.o)}
	lb.children = endpointsharding.NewBalancer(lb, o, balancer.Get(pickfirst.Name).Build, endpointsharding.Options{})
	return lb
}

// A balanced is the balancer of one channel. What its children tell comes through
// its UpdateState.
type balanced struct {
	balancer.ClientConn
	children balancer.Balancer
	pool     *loadbalance.Pool

	mu    sync.Mutex
	known bool // there were endpoints once
}

var _ balancer.Balancer = (*balanced)(nil)

// UpdateClientConnState takes in what the resolver has found. Nothing found, after
// something was, is no news: the channel stays as it is.
func (b *balanced) UpdateClientConnState(s balancer.ClientConnState) error {
	endpoints := s.ResolverState.Endpoints
	if len(endpoints) == 0 {
		for _, a := range s.ResolverState.Addresses {
			endpoints = append(endpoints, resolver.Endpoint{Addresses: []resolver.Address{a}})
		}
	}
	b.mu.Lock()
	if len(endpoints) == 0 && b.known {
		b.mu.Unlock()
		return balancer.ErrBadResolverState
	}
	b.known = b.known || len(endpoints) > 0
	var nodes []discovery.Endpoint
	for _, e := range endpoints {
		nodes = append(nodes, endpointOf(e))
	}
	b.mu.Unlock()
	b.pool.Update(nodes)
	s.BalancerConfig = nil
	s.ResolverState = pickfirst.EnableHealthListener(s.ResolverState)
	s.ResolverState.Endpoints = endpoints
	return b.children.UpdateClientConnState(s)
}

// ResolverError passes what the resolver says to the children, which go on with
// what they have. Where there are none yet it becomes the calls' error, in the words
// of gRPC's own, by which it is known that they were never sent.
func (b *balanced) ResolverError(err error) {
	b.mu.Lock()
	if !b.known && !strings.HasPrefix(err.Error(), unresolved) {
		err = fmt.Errorf(unresolved+"%w", err)
	}
	b.mu.Unlock()
	b.children.ResolverError(err)
}

// UpdateSubConnState is of an older API, and not called.
func (b *balanced) UpdateSubConnState(balancer.SubConn, balancer.SubConnState) {}

// Close ends the children and the nodes.
func (b *balanced) Close() {
	b.children.Close()
	b.pool.Close()
}

// ExitIdle connects.
func (b *balanced) ExitIdle() { b.children.ExitIdle() }

// UpdateState is told by the children: who of them is ready, and what to pick by
// when none is.
func (b *balanced) UpdateState(s balancer.State) {
	ready := map[string]balancer.Picker{}
	for _, child := range endpointsharding.ChildStatesFromPicker(s.Picker) {
		if child.State.ConnectivityState == connectivity.Ready {
			ready[addrOf(child.Endpoint)] = child.State.Picker
		}
	}
	b.pool.SetReady(func(addr string) bool { return ready[addr] != nil })
	if len(ready) > 0 {
		s.Picker = &picker{pool: b.pool, ready: ready, rest: s.Picker}
	}
	b.ClientConn.UpdateState(s)
}

// full is what a call is told that found no room.
const full = "grpcclient: no endpoint takes another call"

// A picker picks among the nodes that were ready when it was made.
type picker struct {
	pool  *loadbalance.Pool
	ready map[string]balancer.Picker
	rest  balancer.Picker
}

// Pick chooses a node for the Call in the context, and takes it from there.
func (p *picker) Pick(info balancer.PickInfo) (balancer.PickResult, error) {
	call := holdfast.CallFrom(info.Ctx)
	if w := witnessOf(call); w != nil {
		if w.tells(call.Attempt) >= headers && !call.Repeatable && !leftToGRPC(call) {
			return balancer.PickResult{}, errAnswered
		}
		w.saw(call, unknown)
	}
	picked, ok := p.pool.Pick(loadbalance.PickInfo{Ctx: info.Ctx, Call: call})
	if !ok && p.pool.Ready() == 0 {
		return p.rest.Pick(info) // the last connection has gone, and the next picker is not here yet
	}
	if !ok {
		err := status.Error(codes.Unavailable, full)
		if call != nil { // what becomes of it is gRPC's to say
			call.Reject(info.Ctx, holdfast.Event{Policy: "balance", Code: holdfast.CodeNoEndpoint, Reason: "no_endpoint", Err: err})
		}
		return balancer.PickResult{}, err
	}
	child := p.ready[picked.Node.Addr()]
	if child == nil { // it has become ready since; a newer picker knows it
		picked.Done(holdfast.Ignored)
		return p.rest.Pick(info)
	}
	res, err := child.Pick(info)
	if err != nil {
		picked.Done(holdfast.Ignored)
		return res, err
	}
	if call != nil {
		call.SendTo(picked.Node.Addr())
	}
	inner, ctx := res.Done, info.Ctx
	due, _ := ctx.Deadline()
	res.Done = func(done balancer.DoneInfo) {
		out := resultOf(ctx, call, due, done)
		switch {
		case !done.BytesSent && !done.BytesReceived: // it was never sent, which says nothing
		case call != nil && call.Stream: // gRPC tells of its end alone
			picked.Ended(out)
		default:
			picked.Answered(out)
		}
		picked.Done(out.Class)
		if inner != nil {
			inner(done)
		}
	}
	return res, nil
}

// resultOf is what the end of an RPC says of its node. A lost hedge and a caller's
// cancel say nothing, and neither does an attempt that found its connection gone, or what
// this process could not send.
func resultOf(ctx context.Context, call *holdfast.Call, due time.Time, done balancer.DoneInfo) holdfast.Result {
	heard, said := unheard, done.Err
	switch {
	case done.BytesReceived && said != nil && isRefusedStream(status.Convert(said)):
		heard = begun
	case done.BytesReceived:
		heard = headers
	case !done.BytesSent:
		heard = unsent
	}
	witnessOf(call).saw(call, heard)
	switch {
	case !done.BytesSent && !done.BytesReceived:
		return holdfast.Result{Err: said}
	case said == nil:
		return holdfast.Result{Err: errOK, Class: holdfast.Success, Code: "OK"}
	}
	r, at := &rpc{door: new(door)}, arrival{on: true, due: due, trailer: done.Trailer, heard: heard}
	if call != nil {
		if s, ok := call.Sender.(sender); ok {
			r, _ = s.about()
		}
	}
	v := r.judged(ctx, said, at)
	return holdfast.Result{Err: said, Class: v.Class, Code: v.Code, After: v.After}
}

// judged is judge where a callback that panics must not: gRPC holds locks, which nobody would open
// again. It panics once more for the caller, whose interceptor asks it too.
func (r *rpc) judged(ctx context.Context, err error, at arrival) (v holdfast.Verdict) {
	defer func() {
		if recover() != nil {
			v = holdfast.Verdict{Class: holdfast.Ignored, Code: holdfast.CodePanic}
		}
	}()
	return r.judge(ctx, err, at)
}

// errOK stands for the answer, which the balancer does not see.
var errOK = errors.New("answered")

// leftToGRPC reports whether the service config has gRPC repeat the call, which then is
// what its user wants.
func leftToGRPC(call *holdfast.Call) bool {
	s, ok := call.Sender.(sender)
	if !ok {
		return false
	}
	r, _ := s.about()
	return r.native()
}

// errAnswered ends a call that gRPC would send again by itself, since its stream was refused,
// or its connection is going away: the server has sent HEADERS before, so that it has begun.
var errAnswered = status.Error(codes.Unavailable, "grpcclient: the server began to answer and then gave the stream up")
