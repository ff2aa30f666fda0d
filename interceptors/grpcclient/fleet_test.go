package grpcclient_test

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"

	"github.com/holdfast-go/holdfast/discovery"
	"github.com/holdfast-go/holdfast/holdfasttest"
	"github.com/holdfast-go/holdfast/interceptors/grpcclient"
	"github.com/holdfast-go/holdfast/timeout"
)

// The claims of virtual time, on real servers over loopback.

// volley makes n calls, some at a time, and returns how many failed.
func volley(t *testing.T, cc *grpc.ClientConn, n, atOnce int) int64 {
	t.Helper()
	var wg sync.WaitGroup
	var left, bad atomic.Int64
	left.Store(int64(n))
	for range atOnce {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				if cc.Invoke(t.Context(), get, say("x"), new(message)) != nil {
					bad.Add(1)
				}
			}
		})
	}
	wg.Wait()
	return bad.Load()
}

// warm calls until every server has been used.
func (f *fleet) warm(t *testing.T, cc *grpc.ClientConn) {
	t.Helper()
	eventually(t, "all are connected", func() bool { _, _ = ask(t, cc); return !slices.Contains(f.counts(), 0) })
}

func TestAFrozenBackendCostsNextToNothing(t *testing.T) {
	var frozen atomic.Bool
	f := newFleet(t, 4, func(i int) func(context.Context, int, string) (string, error) {
		return func(ctx context.Context, _ int, _ string) (string, error) {
			if i == 0 && frozen.Load() {
				return "", hangs(ctx)
			}
			return "ok", nil
		}
	})
	cc := f.dial(t, discovery.Static(f.addrs...), byEWMA, all.DialOptions(timeout.New(timeout.Options{Limit: 10 * time.Second}), again(3), timeout.New(timeout.Options{Limit: time.Second}))...)
	f.warm(t, cc)
	before := f.servers[0].calls.Load()
	frozen.Store(true)
	if failed := volley(t, cc, 10_000, 16); failed > 0 {
		t.Errorf("%d calls failed", failed)
	}
	// Sixteen callers may meet it at once, before the first of them has waited.
	if n := f.servers[0].calls.Load() - before; n > 10+16 {
		t.Errorf("%d of 10,000 calls went to the frozen server", n)
	}
}

func TestABackendThatFailsFastAttractsNobody(t *testing.T) {
	var failing atomic.Bool
	f := newFleet(t, 10, func(i int) func(context.Context, int, string) (string, error) {
		return func(context.Context, int, string) (string, error) {
			if i == 0 && failing.Load() {
				return "", unavailable
			}
			return "ok", nil
		}
	})
	cc := f.dial(t, discovery.Static(f.addrs...), byEWMA)
	f.warm(t, cc)
	failing.Store(true)
	volley(t, cc, 500, 16)
	if failed := volley(t, cc, 10_000, 16); failed > 10 {
		t.Errorf("%d of 10,000 calls failed", failed)
	}
}

func TestHealthAsksTheServersOwnProtocol(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server, h := grpc.NewServer(), health.NewServer()
	healthpb.RegisterHealthServer(server, h)
	served := make(chan struct{})
	go func() { defer close(served); _ = server.Serve(l) }()
	defer func() { server.Stop(); <-served }()
	check := grpcclient.Health("users", grpc.WithTransportCredentials(insecure.NewCredentials()))
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	e := discovery.Endpoint{Addr: l.Addr().String()}
	if err := check(ctx, e); err == nil {
		t.Error("a service that it does not know")
	}
	h.SetServingStatus("users", healthpb.HealthCheckResponse_SERVING)
	if err := check(ctx, e); err != nil {
		t.Error(err)
	}
	h.SetServingStatus("users", healthpb.HealthCheckResponse_NOT_SERVING)
	if err := check(ctx, e); err == nil || !strings.Contains(err.Error(), "NOT_SERVING") {
		t.Errorf("%v", err)
	}
}

func ExampleHealth() {
	ask := grpcclient.Health("users.v1.Users", grpc.WithTransportCredentials(insecure.NewCredentials()))
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	fmt.Println(ask(ctx, discovery.Endpoint{Addr: "127.0.0.1:1"}) != nil) // nobody is there
	// Output: true
}

// A rolling restart of ten backends, each of which has connected before the next one goes,
// loses no call that may be repeated.
func TestARollingRestartOfBackendsLosesNothing(t *testing.T) {
	f := newFleet(t, 10, who)
	cc := f.dial(t, discovery.Static(f.addrs...), byEWMA, append(all.DialOptions(timeout.New(timeout.Options{Limit: 10 * time.Second}), again(4), timeout.New(timeout.Options{Limit: 2 * time.Second})),
		grpc.WithConnectParams(grpc.ConnectParams{MinConnectTimeout: time.Second, Backoff: backoff.Config{BaseDelay: 10 * time.Millisecond, Multiplier: 1.6, MaxDelay: 100 * time.Millisecond}}))...)
	f.warm(t, cc)
	ctx, stop := context.WithCancel(t.Context())
	failed := make(chan int64, 1)
	go func() {
		sum := int64(0)
		for ctx.Err() == nil {
			sum += volley(t, cc, 100, 8)
		}
		failed <- sum
	}()
	for i := range f.addrs {
		f.stops[i]()
		<-time.After(20 * time.Millisecond)
		f.restart(t, i)
		<-time.After(200 * time.Millisecond) // it connects; calls it gets when its ejection is over
	}
	stop()
	if n := <-failed; n > 0 {
		t.Errorf("%d calls were lost", n)
	}
}

// restart serves again at the same address.
func (f *fleet) restart(t *testing.T, i int) {
	t.Helper()
	var l net.Listener
	eventually(t, "the port is free", func() (ok bool) {
		var err error
		l, err = net.Listen("tcp", f.addrs[i])
		return err == nil
	})
	server := grpc.NewServer()
	server.RegisterService(f.servers[i].desc("test.Service"), nil)
	served := make(chan struct{})
	go func() { defer close(served); _ = server.Serve(l) }()
	t.Cleanup(func() { server.Stop(); <-served })
}

// How long a stream lasts is no latency: what is known of servers with long ones is
// what their calls take.
func TestLongStreamsDoNotLookSlow(t *testing.T) {
	const long = 500 * time.Millisecond
	f := newFleet(t, 2, who)
	for _, s := range f.servers {
		s.stream = func(_ int, ss grpc.ServerStream) error {
			<-time.After(long)
			return nil
		}
	}
	cc := f.dial(t, discovery.Static(f.addrs...), byEWMA, grpcclient.DialOptions()...)
	f.warm(t, cc)
	pool := latest.Load()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			s, err := cc.NewStream(t.Context(), chatDesc, chat)
			if err == nil {
				_, err = read(s)
			}
			if err.Error() != "EOF" {
				t.Error(err)
			}
		})
	}
	eventually(t, "the streams count while they last", func() bool {
		n := int64(0)
		for _, node := range pool.Nodes() {
			n += node.InFlight()
		}
		return n == 8
	})
	wg.Wait()
	for _, node := range pool.Nodes() {
		if took, known := node.Latency(0, time.Hour); !known || time.Duration(took) > long*3/4 {
			t.Errorf("%s is held to take %v (%v)", node.Addr(), time.Duration(took), known)
		}
	}
}

// A connection whose other side is gone without a word is given up within 20 s where
// gRPC's keepalive is on, and its calls go elsewhere.
func TestAHalfOpenConnectionIsGivenUp(t *testing.T) {
	bubble(t, func(t *testing.T) {
		network := new(holdfasttest.Network)
		var served sync.WaitGroup
		server := grpc.NewServer(grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 5 * time.Second}))
		server.RegisterService((&service{get: who(1)}).desc("test.Service"), nil)
		for _, addr := range []string{"first:80", "others:80"} {
			l, err := network.Listen(addr)
			if err != nil {
				t.Fatal(err)
			}
			served.Go(func() { _ = server.Serve(l) })
		}
		defer func() { server.Stop(); served.Wait() }()
		var dials atomic.Int64
		dial := func(ctx context.Context, _ string) (net.Conn, error) {
			if dials.Add(1) == 1 {
				return network.Dial(ctx, "first:80")
			}
			return network.Dial(ctx, "others:80")
		}
		cc, err := grpc.NewClient("fleet:///users", grpc.WithResolvers(grpcclient.Resolver("fleet", discovery.Static("10.0.0.1:80"))),
			grpc.WithDefaultServiceConfig(inTurn), grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithContextDialer(dial),
			grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 10 * time.Second, Timeout: 5 * time.Second}))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = cc.Close() }()
		one := func() error {
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			return cc.Invoke(ctx, get, say("x"), new(message))
		}
		if err := one(); err != nil {
			t.Fatal(err)
		}
		network.Set("first:80", holdfasttest.Conditions{Stall: true})
		start := time.Now()
		for one() != nil {
			pass(100 * time.Millisecond)
			if time.Since(start) > time.Minute {
				t.Fatal("it is still used after a minute")
			}
		}
		if took := time.Since(start); took > 20*time.Second || dials.Load() != 2 {
			t.Errorf("given up after %v; %d connections", took, dials.Load())
		}
		network.Set("first:80", holdfasttest.Conditions{})
	})
}
