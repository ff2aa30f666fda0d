package grpcclient_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/discovery"
	"github.com/holdfast-go/holdfast/interceptors/grpcclient"
	"github.com/holdfast-go/holdfast/loadbalance"
)

// The balancers of these tests; gRPC's registry is filled before anything else.
var (
	inTurn = grpcclient.Balancer("holdfast_test_round_robin", loadbalance.RoundRobin, loadbalance.Options{})
	byEWMA = grpcclient.Balancer("holdfast_test_peak_ewma", loadbalance.PeakEWMA, loadbalance.Options{Opened: func(p holdfast.Measured) func() {
		latest.Store(p.(*loadbalance.Pool))
		return nil
	}})
	latest  atomic.Pointer[loadbalance.Pool] // that was made for byEWMA
	guarded = grpcclient.Balancer("holdfast_test_guarded", loadbalance.RoundRobin, loadbalance.Options{
		Guard: func(discovery.Endpoint) loadbalance.Guard { return full{} },
	})
)

// A full guard lets nobody in.
type full struct{}

func (full) Ready() bool                                        { return false }
func (full) Enter() (func(holdfast.Class, time.Duration), bool) { return nil, false }

// A fleet is real gRPC servers on loopback.
type fleet struct {
	servers []*service
	addrs   []string
	stops   []func()
	conns   []*atomic.Int64 // connections that were made, by server
}

func newFleet(t *testing.T, n int, get func(i int) func(context.Context, int, string) (string, error)) *fleet {
	t.Helper()
	f := &fleet{}
	for i := range n {
		s := &service{get: get(i)}
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		counted := &countedListener{Listener: l}
		server := grpc.NewServer()
		server.RegisterService(s.desc("test.Service"), nil)
		served := make(chan struct{})
		go func() { defer close(served); _ = server.Serve(counted) }()
		stop := sync.OnceFunc(func() { server.Stop(); <-served })
		t.Cleanup(stop)
		f.servers, f.addrs, f.stops, f.conns = append(f.servers, s), append(f.addrs, l.Addr().String()), append(f.stops, stop), append(f.conns, &counted.n)
	}
	return f
}

type countedListener struct {
	net.Listener
	n atomic.Int64
}

func (l *countedListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err == nil {
		l.n.Add(1)
	}
	return c, err
}

// who answers with its number.
func who(i int) func(context.Context, int, string) (string, error) {
	return func(context.Context, int, string) (string, error) { return fmt.Sprint(i), nil }
}

func (f *fleet) dial(t *testing.T, r discovery.Resolver, config string, opts ...grpc.DialOption) *grpc.ClientConn {
	t.Helper()
	cc, err := grpc.NewClient("fleet:///users", append(opts, grpc.WithResolvers(grpcclient.Resolver("fleet", r)),
		grpc.WithDefaultServiceConfig(config), grpc.WithTransportCredentials(insecure.NewCredentials()))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cc.Close() })
	return cc
}

func ask(t *testing.T, cc *grpc.ClientConn, opts ...grpc.CallOption) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	out := new(message)
	err := cc.Invoke(ctx, get, say("x"), out, opts...)
	return out.GetValue(), err
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !is(); <-time.After(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal(what + ": it does not come about")
		}
	}
}

func (f *fleet) counts() (n []int32) {
	for _, s := range f.servers {
		n = append(n, s.calls.Load())
	}
	return n
}

func TestBalancerSpreadsCallsAndKeepsItsConnections(t *testing.T) {
	f := newFleet(t, 3, who)
	source := new(discovery.Source)
	publish := func(generation uint64, weight int, addrs ...string) {
		var list []discovery.Endpoint
		for _, a := range addrs {
			list = append(list, discovery.Endpoint{Addr: a, Weight: weight, Zone: fmt.Sprint(weight), Metadata: map[string]string{"v": fmt.Sprint(weight)}})
		}
		source.Publish(generation, list...)
	}
	publish(1, 1, f.addrs...)
	cc := f.dial(t, source, inTurn)
	eventually(t, "all three are used", func() bool { _, err := ask(t, cc); return err == nil && !slices.Contains(f.counts(), 0) })
	for _, s := range f.servers {
		s.calls.Store(0)
	}
	for range 30 {
		if _, err := ask(t, cc); err != nil {
			t.Fatal(err)
		}
	}
	if got := f.counts(); !slices.Equal(got, []int32{10, 10, 10}) {
		t.Errorf("in turn: %v", got)
	}
	for i := range 5 { // grpc-go #8971: weights, zones and metadata change, and nothing reconnects
		publish(uint64(2+i), 2+i, f.addrs...)
		for range 6 {
			if _, err := ask(t, cc); err != nil {
				t.Fatal(err)
			}
		}
	}
	for i, n := range f.conns {
		if n.Load() != 1 {
			t.Errorf("%d connections to server %d", n.Load(), i)
		}
	}
	publish(10, 1, f.addrs[0])
	eventually(t, "one is left", func() bool {
		before := f.servers[1].calls.Load() + f.servers[2].calls.Load()
		for range 5 {
			_, _ = ask(t, cc)
		}
		return f.servers[1].calls.Load()+f.servers[2].calls.Load() == before
	})
	source.Publish(11) // an empty update never kills a healthy channel
	source.Fail(errors.New("registry down"))
	for range 20 {
		if _, err := ask(t, cc); err != nil {
			t.Fatal(err)
		}
	}
}

// A6: with several ready backends no two attempts of a call go to the same one.
func TestT61_HedgesGoToOtherBackends(t *testing.T) {
	f := newFleet(t, 3, func(int) func(context.Context, int, string) (string, error) {
		return func(ctx context.Context, _ int, _ string) (string, error) { return "", hangs(ctx) }
	})
	var mu sync.Mutex
	seen := map[*holdfast.Record][]string{}
	note := func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoker grpc.UnaryInvoker, opts ...grpc.CallOption) error {
		err := invoker(ctx, method, req, reply, cc, opts...)
		call := holdfast.CallFrom(ctx)
		mu.Lock()
		defer mu.Unlock()
		seen[call.Record] = append(seen[call.Record], call.Endpoint)
		return err
	}
	cc := f.dial(t, discovery.Static(f.addrs...), byEWMA, append(all.DialOptions(hedges(20*time.Millisecond)), grpc.WithChainUnaryInterceptor(note))...)
	once := func() {
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		_ = cc.Invoke(ctx, get, say("x"), new(message))
	}
	eventually(t, "all are used", func() bool { once(); return !slices.Contains(f.counts(), 0) })
	mu.Lock()
	clear(seen)
	mu.Unlock()
	var wg sync.WaitGroup
	for range 40 {
		wg.Go(once)
	}
	wg.Wait()
	pairs := 0
	for _, at := range seen {
		if len(at) == 2 {
			if pairs++; at[0] == at[1] || at[0] == "" {
				t.Errorf("both attempts went to %q", at[0])
			}
		}
	}
	if pairs < 20 {
		t.Errorf("%d of 40 calls were hedged", pairs)
	}
}

// A dead backend of two costs no caller anything, and a failing one is ejected,
// without xDS.
func TestT76_ADeadBackendIsNobodysLoss(t *testing.T) {
	f := newFleet(t, 2, who)
	cc := f.dial(t, discovery.Static(f.addrs...), inTurn, all.DialOptions(again(3))...)
	eventually(t, "both are used", func() bool { _, err := ask(t, cc); return err == nil && !slices.Contains(f.counts(), 0) })
	f.stops[1]()
	for range 100 {
		if got, err := ask(t, cc); err != nil || got != "0" && got != "1" {
			t.Fatalf("%q %v", got, err)
		}
	}
}

func TestAFailingBackendIsEjected(t *testing.T) {
	f := newFleet(t, 4, func(i int) func(context.Context, int, string) (string, error) {
		if i == 0 {
			return func(context.Context, int, string) (string, error) { return "", unavailable }
		}
		return who(i)
	})
	cc := f.dial(t, discovery.Static(f.addrs...), inTurn)
	eventually(t, "all are used", func() bool { _, _ = ask(t, cc); return !slices.Contains(f.counts(), 0) })
	failed := 0
	for range 200 {
		if _, err := ask(t, cc); err != nil {
			failed++
		}
	}
	if failed > 5 || f.servers[0].calls.Load() > 10 {
		t.Errorf("%d of 200 calls failed, %d went there", failed, f.servers[0].calls.Load())
	}
}

// A lost hedge is no failure of its backend.
func TestLostHedgesEjectNobody(t *testing.T) {
	var slow atomic.Bool
	f := newFleet(t, 3, func(i int) func(context.Context, int, string) (string, error) {
		return func(ctx context.Context, _ int, _ string) (string, error) {
			if i == 0 && slow.Load() {
				return "", hangs(ctx)
			}
			return fmt.Sprint(i), nil
		}
	})
	cc := f.dial(t, discovery.Static(f.addrs...), inTurn, all.DialOptions(hedges(5*time.Millisecond))...)
	eventually(t, "all are used", func() bool { _, err := ask(t, cc); return err == nil && !slices.Contains(f.counts(), 0) })
	slow.Store(true)
	for range 60 {
		if _, err := ask(t, cc); err != nil {
			t.Fatal(err)
		}
	}
	before := f.servers[0].calls.Load()
	for range 30 {
		if _, err := ask(t, cc); err != nil {
			t.Fatal(err)
		}
	}
	if f.servers[0].calls.Load() == before {
		t.Error("it was ejected for attempts that a hedge has beaten")
	}
}

// The first call waits for discovery as long as its own deadline, and a resolver
// that says nothing is reported.
func TestT75_ASilentResolverIsReported(t *testing.T) {
	silent := discovery.Func(func(ctx context.Context) iter.Seq2[[]discovery.Endpoint, error] {
		return func(func([]discovery.Endpoint, error) bool) { <-ctx.Done() }
	})
	f := newFleet(t, 0, who)
	cc := f.dial(t, silent, inTurn)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	start := time.Now()
	err := cc.Invoke(ctx, get, say("x"), new(message))
	if status.Code(err) != codes.DeadlineExceeded || time.Since(start) > 5*time.Second {
		t.Errorf("%v after %v", err, time.Since(start))
	}
	source := new(discovery.Source)
	source.Fail(errors.New("registry down"))
	if _, err := ask(t, f.dial(t, source, inTurn)); status.Code(err) != codes.Unavailable || !strings.Contains(err.Error(), "registry down") {
		t.Errorf("an error before the first answer: %v", err)
	}
}

func TestAFullGuardIsUnavailable(t *testing.T) {
	f := newFleet(t, 1, who)
	cc := f.dial(t, discovery.Static(f.addrs...), guarded)
	if _, err := ask(t, cc); status.Code(err) != codes.Unavailable || !strings.Contains(err.Error(), "no endpoint takes another call") {
		t.Errorf("%v", err)
	}
}
