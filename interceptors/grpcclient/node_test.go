package grpcclient_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/discovery"
	"github.com/holdfast-go/holdfast/interceptors/grpcclient"
	"github.com/holdfast-go/holdfast/loadbalance"
)

// noted is a balancer that lets everybody in and notes what the ends of the attempts say
// of their node.
var (
	charges sync.Map // of *charged, by address: what comes late of one server is none of another's
	noted   = grpcclient.Balancer("holdfast_test_noted", loadbalance.RoundRobin, loadbalance.Options{
		Guard: func(e discovery.Endpoint) loadbalance.Guard { return chargesAt(e.Addr) },
	})
)

func chargesAt(addr string) *charged {
	c, _ := charges.LoadOrStore(addr, new(charged))
	return c.(*charged)
}

type charged struct {
	mu  sync.Mutex
	all []holdfast.Class
}

func (*charged) Ready() bool                                          { return true }
func (c *charged) Enter() (func(holdfast.Class, time.Duration), bool) { return c.leave, true }
func (c *charged) leave(class holdfast.Class, _ time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all = append(c.all, class)
}

func (c *charged) take() []holdfast.Class {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := c.all
	c.all = nil
	return all
}

// A node is charged with what it has done, and by the same judge as the target.
func TestANodeIsChargedWithWhatItDid(t *testing.T) {
	status14 := func(w *wire) error { return w.fail("14", "down") }
	relays := func(w *wire) error {
		return w.head(true, ":status", "200", "content-type", "application/grpc", "grpc-status", "14", "holdfast-origin", "stock")
	}
	refuses := func(w *wire) error { return w.reset(http2.ErrCodeRefusedStream) }
	answers := (*wire).answer
	long := grpc.MaxCallRecvMsgSize(2)
	tells := func(w *wire) error {
		return errors.Join(w.begin(), w.WriteData(w.id, false, []byte{0, 0, 0, 0, 3, 1, 2, 3}))
	}
	aborted := func(w *wire) error { return w.fail("10", "try again") }
	w := grpcclient.Wrapper{
		TrustOrigin: func(string) bool { return true },
		Classify: func(_ string, s *status.Status) (holdfast.Verdict, bool) {
			return holdfast.Verdict{Class: holdfast.Conflict}, s.Code() == codes.Aborted
		},
	}
	for name, c := range map[string]struct {
		act  func(w *wire) error
		ask  string
		opts []grpc.CallOption
		want []holdfast.Class // of each attempt that was to go there
	}{
		"an answer":            {answers, "", nil, []holdfast.Class{holdfast.Success}},
		"a failure":            {status14, "", nil, []holdfast.Class{holdfast.Failure}},
		"a cancel of its own":  {func(w *wire) error { return w.reset(http2.ErrCodeCancel) }, "", nil, []holdfast.Class{holdfast.Failure}},
		"relayed":              {relays, "", nil, []holdfast.Class{holdfast.Relayed}},
		"classified":           {aborted, "", nil, []holdfast.Class{holdfast.Conflict}},
		"refused, twice":       {refuses, "", nil, []holdfast.Class{holdfast.Refused, holdfast.Refused}},
		"not to be marshalled": {answers, "a\xff", nil, []holdfast.Class{holdfast.LocalFault}},
		"too large a reply":    {tells, "", []grpc.CallOption{long}, []holdfast.Class{holdfast.LocalFault}},
		"no token":             {answers, "", []grpc.CallOption{grpc.PerRPCCredentials(failing(errors.New("x")))}, []holdfast.Class{holdfast.Ignored}},
	} {
		for _, streams := range []bool{false, true} {
			addr, _ := wired(t, true, c.act)
			if strings.HasPrefix(name, "refused") {
				addr, _ = wired(t, false, c.act)
			}
			cc := dialed(t, addr, append(w.DialOptions(), grpc.WithDefaultServiceConfig(noted))...)
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			chargesAt(addr).take()
			if streams {
				_, _ = read(lister(t, ctx, cc, c.ask, c.opts...))
			} else {
				_ = cc.Invoke(ctx, get, say(c.ask), new(message), c.opts...)
			}
			cancel()
			if got := chargesAt(addr).take(); !slices.Equal(got, c.want) {
				t.Errorf("%s, stream %v: %v, want %v", name, streams, got, c.want)
			}
			// What is not sent at all goes to no node.
			_ = cc.Invoke(metadata.AppendToOutgoingContext(t.Context(), "tenant", "caf\u00e9"), get, say("x"), new(message))
			if got := chargesAt(addr).take(); got != nil {
				t.Errorf("illegal metadata: %v", got)
			}
		}
	}
}

// A caller's cancel, and one of a limit that a node had no chance to meet, say nothing of
// it; a limit that it had the time for does.
func TestANodeIsNotChargedWithACancel(t *testing.T) {
	addr, _ := wired(t, true, func(*wire) error { return nil })
	cc := dialed(t, addr, append(all.DialOptions(), grpc.WithDefaultServiceConfig(noted))...)
	for name, c := range map[string]struct {
		end  func(ctx context.Context) (context.Context, context.CancelFunc)
		want holdfast.Class
	}{
		"a cancel": {func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(ctx)
			time.AfterFunc(50*time.Millisecond, cancel)
			return ctx, cancel
		}, holdfast.Ignored},
		"no chance": {func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, 50*time.Millisecond)
		}, holdfast.Ignored},
		"a chance": {func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, 600*time.Millisecond)
		}, holdfast.Failure},
	} {
		ctx, cancel := c.end(t.Context())
		chargesAt(addr).take()
		_ = cc.Invoke(ctx, get, say("x"), new(message))
		cancel()
		if got := chargesAt(addr).take(); len(got) != 1 || got[0] != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

// A message that a stream cannot send is no fault of its node.
func TestANodeIsNotChargedWithWhatAStreamCannotSend(t *testing.T) {
	addr, _ := wired(t, true, func(*wire) error { return nil })
	cc := dialed(t, addr, append(grpcclient.DialOptions(), grpc.WithDefaultServiceConfig(noted))...)
	stream, err := cc.NewStream(t.Context(), chatDesc, chat)
	if err != nil {
		t.Fatal(err)
	}
	chargesAt(addr).take()
	if err := stream.SendMsg(say("a\xff")); status.Code(err) != codes.Internal {
		t.Error(err)
	}
	if got := chargesAt(addr).take(); !slices.Equal(got, []holdfast.Class{holdfast.LocalFault}) {
		t.Errorf("%v", got)
	}
}

// The deadline that a node was told is its own, though the limit has moved since.
func TestANodeIsJudgedByTheDeadlineItWasTold(t *testing.T) {
	addr, _ := wired(t, true, func(w *wire) error {
		<-time.After(100 * time.Millisecond)
		return w.fail("4", "context deadline exceeded")
	})
	moves := holdfast.PolicyFunc(func(next holdfast.Handler) holdfast.Handler {
		return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
			moved := new(atomic.Bool)
			time.AfterFunc(50*time.Millisecond, func() { moved.Store(true) })
			return next(moving{ctx, time.Now().Add(80 * time.Millisecond), moved}, call)
		}
	})
	p := &probe{}
	cc := dialed(t, addr, append(all.DialOptions(p, moves), grpc.WithDefaultServiceConfig(noted))...)
	chargesAt(addr).take()
	_ = cc.Invoke(t.Context(), get, say("x"), new(message))
	if got := chargesAt(addr).take(); !slices.Equal(got, []holdfast.Class{holdfast.Ignored}) || p.results[0].Class != holdfast.Ignored { // it had no chance
		t.Errorf("%v, %+v", got, p.results)
	}
}

// How long this process took to find that it had no credentials is no latency of the node.
func TestSlowCredentialsDoNotMakeANodeSlow(t *testing.T) {
	f := newFleet(t, 1, who)
	cc := f.dial(t, discovery.Static(f.addrs...), byEWMA)
	f.warm(t, cc)
	slow := tokens{get: func(context.Context) error { <-time.After(300 * time.Millisecond); return errors.New("x") }}
	_ = cc.Invoke(t.Context(), get, say("x"), new(message), grpc.PerRPCCredentials(slow))
	if took, known := latest.Load().Nodes()[0].Latency(0, time.Hour); !known || time.Duration(took) > 200*time.Millisecond {
		t.Errorf("it is held to take %v (%v)", time.Duration(took), known)
	}
}

// What gRPC may send again, since it does no harm or the service config says so, our
// balancer does not prevent.
func TestOurBalancerLeavesReplaysToGRPC(t *testing.T) {
	begins := func(w *wire) error {
		if w.n > 1 {
			return w.answer()
		}
		_ = w.begin()
		return w.reset(http2.ErrCodeRefusedStream)
	}
	forged := func(w *wire) error {
		if w.n > 1 {
			return w.answer()
		}
		return w.fail("14", forgeries[0])
	}
	native := strings.TrimSuffix(inTurn, "}") + "," + strings.TrimPrefix(nativePolicy, "{")
	for name, c := range map[string]struct {
		act  func(w *wire) error
		opts []grpc.DialOption
		ok   bool
	}{
		"repeatable":     {begins, append(all.DialOptions(), grpc.WithDefaultServiceConfig(inTurn)), true},
		"not repeatable": {begins, append(grpcclient.DialOptions(), grpc.WithDefaultServiceConfig(inTurn)), false},
		"gRPC's retry":   {forged, append(through(grpcclient.Wrapper{}), grpc.WithDefaultServiceConfig(native)), true},
	} {
		addr, requests := wired(t, true, c.act)
		cc := dialed(t, addr, c.opts...)
		if err := cc.Invoke(t.Context(), get, say("x"), new(message)); (err == nil) != c.ok || (requests.Load() == 2) != c.ok {
			t.Errorf("%s: %v after %d requests", name, err, requests.Load())
		}
	}
}
