package grpcclient_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/breaker"
	"github.com/holdfast-go/holdfast/discovery"
	"github.com/holdfast-go/holdfast/interceptors/grpcclient"
	"github.com/holdfast-go/holdfast/internal/rpccode"
)

// originOf is a Wrapper that trusts whom f does.
func originOf(f func(target string) bool) grpcclient.Wrapper {
	return grpcclient.Wrapper{Repeatable: func(string) bool { return true }, TrustOrigin: f}
}

// A failure that a server says is another's is relayed, by those who are trusted, and
// keeps its code and wish; its own is its own, by whatever name.
func TestAFailureOfAnotherServiceIsRelayed(t *testing.T) {
	anyone := func(string) bool { return true }
	relayed, failure := holdfast.Relayed, holdfast.Failure
	for name, c := range map[string]struct {
		trust  func(string) bool
		origin []string
		code   codes.Code
		class  holdfast.Class
		after  time.Duration
	}{
		"another's":             {anyone, []string{"stock"}, codes.Unavailable, relayed, 3 * time.Second},
		"another's overload":    {anyone, []string{"stock"}, codes.ResourceExhausted, relayed, 3 * time.Second},
		"one that may be a bug": {anyone, []string{"stock"}, codes.Internal, relayed, -1},
		"its own":               {anyone, []string{"127.0.0.1"}, codes.Unavailable, failure, 3 * time.Second},
		"nobody says":           {anyone, nil, codes.Unavailable, failure, 3 * time.Second},
		"two say":               {anyone, []string{"stock", "users"}, codes.Unavailable, failure, 3 * time.Second},
		"nobody is named":       {anyone, []string{""}, codes.Unavailable, failure, 3 * time.Second},
		"an answer":             {anyone, []string{"stock"}, codes.NotFound, holdfast.Success, 0},
		"not trusted":           {func(target string) bool { return target == "passthrough:///stock" }, []string{"stock"}, codes.Unavailable, failure, 3 * time.Second},
		"nobody is trusted":     {nil, []string{"stock"}, codes.Unavailable, failure, 3 * time.Second},
	} {
		answer := func(ctx context.Context) error {
			md := metadata.Pairs("grpc-retry-pushback-ms", "3000")
			md.Append("holdfast-origin", c.origin...)
			_ = grpc.SetTrailer(ctx, md)
			return status.Error(c.code, "x")
		}
		s := &service{
			get:  func(ctx context.Context, _ int, _ string) (string, error) { return "", answer(ctx) },
			list: func(_ int, _ string, ss grpc.ServerStream) error { return answer(ss.Context()) },
		}
		p := &probe{}
		cc, stop := s.dialTCP(t, through(originOf(c.trust), p)...)
		_ = cc.Invoke(t.Context(), get, say("x"), new(message))
		_, _ = read(lister(t, t.Context(), cc, "x"))
		stop()
		for _, res := range p.results {
			if res.Class != c.class || res.Code != holdfast.Code(rpccode.Name(uint32(c.code))) || res.After != c.after {
				t.Errorf("%s: %v %q %v, want %v %v", name, res.Class, res.Code, res.After, c.class, c.after)
			}
		}
	}
}

// The target is known by all of its name, by its address, and by its host.
func TestATargetIsItsOwnOrigin(t *testing.T) {
	for _, target := range []string{"passthrough:///Users.internal:443", "passthrough:///Users.internal", "Users.internal:443"} {
		for origin, own := range map[string]bool{"users.internal": true, target: true, "users": false, "internal": false, "stock.internal": false, "users.internal:443": strings.HasSuffix(target, ":443")} {
			cc, err := grpc.NewClient(target, grpc.WithTransportCredentials(insecure.NewCredentials()))
			if err != nil {
				t.Fatal(err)
			}
			p := &probe{}
			asked := ""
			w := originOf(func(target string) bool { asked = target; return true })
			_ = w.Unary(p)(t.Context(), get, nil, nil, cc, func(_ context.Context, _ string, _, _ any, _ *grpc.ClientConn, opts ...grpc.CallOption) error {
				for _, o := range opts {
					if trailer, ok := o.(grpc.TrailerCallOption); ok {
						*trailer.TrailerAddr = metadata.Pairs("holdfast-origin", origin)
					}
				}
				return unavailable
			})
			_ = cc.Close()
			if got := p.results[0].Class == holdfast.Failure; got != own || asked != target {
				t.Errorf("%s by %q: own %v, asked about %q", target, origin, got, asked)
			}
		}
	}
}

// A relayed failure opens no circuit and ejects no node, and draws on the budget as any.
func TestWhatIsRelayedIsChargedToNobodyHere(t *testing.T) {
	f := newFleet(t, 2, func(i int) func(context.Context, int, string) (string, error) {
		return func(ctx context.Context, _ int, _ string) (string, error) {
			if i == 0 {
				_ = grpc.SetTrailer(ctx, metadata.Pairs("holdfast-origin", "stock"))
				return "", unavailable
			}
			return "ok", nil
		}
	})
	b := breaker.New(breaker.Options{})
	w := originOf(func(string) bool { return true })
	cc := f.dial(t, discovery.Static(f.addrs...), inTurn, w.DialOptions(b)...)
	f.warm(t, cc)
	for _, s := range f.servers {
		s.calls.Store(0)
	}
	for range 100 {
		if _, err := ask(t, cc); errors.Is(err, breaker.ErrOpen) {
			t.Fatal("the circuit is open")
		}
	}
	if n := f.servers[0].calls.Load(); n != 50 {
		t.Errorf("%d of 100 calls went to the one that relays", n)
	}
}
