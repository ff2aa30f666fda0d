package grpcclient_test

import (
	"context"
	"errors"
	"io"
	"iter"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/holdfast-go/holdfast/discovery"
	"github.com/holdfast-go/holdfast/holdfasttest"
	"github.com/holdfast-go/holdfast/interceptors/grpcclient"
	"github.com/holdfast-go/holdfast/loadbalance"
	"github.com/holdfast-go/holdfast/timeout"
)

// checking is a balancer whose checks each last until they are told to end.
var (
	checks   atomic.Int64 // that are under way
	checked  atomic.Int64 // that were begun
	checking = grpcclient.Balancer("holdfast_test_checking", loadbalance.PeakEWMA, loadbalance.Options{Check: loadbalance.Checks{
		Interval: time.Second, Timeout: time.Minute, Probe: func(ctx context.Context, _ discovery.Endpoint) error {
			checked.Add(1)
			if checked.Load() <= 4 { // the first ones say yes
				return nil
			}
			checks.Add(1)
			defer checks.Add(-1)
			<-ctx.Done()
			return ctx.Err()
		},
	}})
)

// watches is a Resolver that knows who watches it.
type watches struct {
	discovery.Resolver
	n atomic.Int64
}

func (w *watches) Watch(ctx context.Context) iter.Seq2[[]discovery.Endpoint, error] {
	return func(yield func([]discovery.Endpoint, error) bool) {
		w.n.Add(1)
		defer w.n.Add(-1)
		for i := 0; ctx.Err() == nil; i++ { // what is there changes all the time
			for endpoints, err := range w.Resolver.Watch(ctx) {
				endpoints[0].Weight = 1 + i%2
				if !yield(endpoints, err) {
					return
				}
				break
			}
			select {
			case <-ctx.Done():
			case <-time.After(100 * time.Millisecond):
			}
		}
	}
}

// A client that is closed under load ends its checks, its watching and all calls at once, with the
// error that gRPC has for that, and starts nothing more. That no goroutine is left the bubble shows.
func TestAClosedClientLeavesNothingBehind(t *testing.T) {
	bubble(t, func(t *testing.T) {
		checks.Store(0)
		checked.Store(0)
		network := new(holdfasttest.Network)
		s := &service{
			get: func(ctx context.Context, n int, _ string) (string, error) {
				pass(time.Duration(n%20) * time.Millisecond)
				return "ok", nil
			},
			list: func(n int, _ string, ss grpc.ServerStream) error { return endless(n, "", ss) }, stream: echoes,
		}
		server := grpc.NewServer()
		server.RegisterService(s.desc("test.Service"), nil)
		var served sync.WaitGroup
		addrs := []string{"10.0.0.1:80", "10.0.0.2:80"}
		for _, addr := range addrs {
			l, err := network.Listen(addr)
			if err != nil {
				t.Fatal(err)
			}
			served.Go(func() { _ = server.Serve(l) })
		}
		defer func() { server.Stop(); served.Wait() }()
		r := &watches{Resolver: discovery.Static(addrs...)}
		cc, err := grpc.NewClient("fleet:///users", append(all.DialOptions(timeout.New(timeout.Options{Limit: time.Minute}), again(3), timeout.New(timeout.Options{Limit: 10 * time.Second})),
			grpc.WithResolvers(grpcclient.Resolver("fleet", r)), grpc.WithDefaultServiceConfig(checking), grpc.WithTransportCredentials(insecure.NewCredentials()),
			grpc.WithContextDialer(func(ctx context.Context, addr string) (net.Conn, error) { return network.Dial(ctx, addr) }))...)
		if err != nil {
			t.Fatal(err)
		}
		const callers = 16
		var workers sync.WaitGroup
		var good, closed atomic.Int64
		closing := make(chan struct{})
		ended := func(err error) bool {
			if err == nil {
				good.Add(1)
				return false
			}
			select {
			case <-closing:
				closed.Add(1)
			default:
				t.Errorf("before it is closed: %v", err)
			}
			if status.Code(err) != codes.Canceled {
				t.Errorf("a call of a closed client: %v", err)
			}
			return true
		}
		for i := range callers {
			workers.Go(func() {
				for i := i; ; i++ {
					switch i % 4 {
					case 0, 1:
						if ended(cc.Invoke(t.Context(), get, say("x"), new(message))) {
							return
						}
					case 2: // a stream that is read some time later, or not
						stream, err := cc.NewStream(t.Context(), listDesc, list)
						if err == nil {
							err = errors.Join(stream.SendMsg(say("x")), stream.CloseSend())
						}
						pass(50 * time.Millisecond)
						if err == nil && i%8 == 2 {
							err = stream.RecvMsg(new(message))
						}
						if ended(err) {
							return
						}
					case 3:
						stream, err := cc.NewStream(t.Context(), chatDesc, chat)
						if err == nil {
							_ = stream.SendMsg(say("chat"))
							if err = stream.RecvMsg(new(message)); err == nil {
								_ = stream.CloseSend()
								for err == nil {
									err = stream.RecvMsg(new(message))
								}
							}
						}
						if err == io.EOF {
							err = nil
						}
						if ended(err) {
							return
						}
					}
				}
			})
		}
		pass(3 * time.Second)
		if checks.Load() != 2 || r.n.Load() != 1 || good.Load() < 200 {
			t.Errorf("before: %d checks, %d watching, %d calls", checks.Load(), r.n.Load(), good.Load())
		}
		start := time.Now()
		close(closing)
		_ = cc.Close()
		workers.Wait()
		if took := time.Since(start); took > 50*time.Millisecond || closed.Load() != callers { // some had just begun to wait, of their own
			t.Errorf("all are back after %v; %d were told", took, closed.Load())
		}
		synctest.Wait()
		if checks.Load() != 0 || r.n.Load() != 0 {
			t.Errorf("afterwards %d checks and %d watching", checks.Load(), r.n.Load())
		}
		pass(time.Minute) // the server hears of it
		begun, calls := checked.Load(), s.calls.Load()
		for _, begin := range []func() error{
			func() error { return cc.Invoke(t.Context(), get, say("x"), new(message)) },
			func() error { return asks(t, t.Context(), cc, list).RecvMsg(new(message)) },
			func() error { _, err := cc.NewStream(t.Context(), chatDesc, chat); return err },
		} {
			if err := begin(); status.Code(err) != codes.Canceled {
				t.Errorf("a call of a closed client: %v", err)
			}
		}
		pass(time.Hour)
		if checked.Load() != begun || s.calls.Load() != calls {
			t.Errorf("%d checks and %d calls after it is closed", checked.Load()-begun, s.calls.Load()-calls)
		}
	})
}

// A channel that goes idle lets go of everything as well, and comes back with the next call.
func TestAnIdleChannelComesBack(t *testing.T) {
	bubble(t, func(t *testing.T) {
		checks.Store(0)
		checked.Store(0)
		network := new(holdfasttest.Network)
		server := grpc.NewServer()
		server.RegisterService((&service{get: who(1)}).desc("test.Service"), nil)
		l, err := network.Listen("10.0.0.1:80")
		if err != nil {
			t.Fatal(err)
		}
		var served sync.WaitGroup
		served.Go(func() { _ = server.Serve(l) })
		defer func() { server.Stop(); served.Wait() }()
		r := &watches{Resolver: discovery.Static("10.0.0.1:80")}
		cc, err := grpc.NewClient("fleet:///users", append(grpcclient.DialOptions(), grpc.WithIdleTimeout(time.Minute),
			grpc.WithResolvers(grpcclient.Resolver("fleet", r)), grpc.WithDefaultServiceConfig(checking), grpc.WithTransportCredentials(insecure.NewCredentials()),
			grpc.WithContextDialer(func(ctx context.Context, addr string) (net.Conn, error) { return network.Dial(ctx, addr) }))...)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = cc.Close() }()
		for round := range 3 {
			if err := cc.Invoke(t.Context(), get, say("x"), new(message)); err != nil {
				t.Errorf("round %d: %v", round, err)
			}
			if synctest.Wait(); r.n.Load() != 1 {
				t.Errorf("round %d: %d watching", round, r.n.Load())
			}
			pass(10 * time.Minute)
			if r.n.Load() != 0 || checks.Load() != 0 {
				t.Errorf("round %d: idle, and %d watching, %d checks", round, r.n.Load(), checks.Load())
			}
		}
	})
}
