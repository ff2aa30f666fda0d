package grpcclient_test

import (
	"context"
	"errors"
	"iter"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/resolver"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/discovery"
	"github.com/holdfast-go/holdfast/interceptors/grpcclient"
	"github.com/holdfast-go/holdfast/observe"
)

// What found no room at any endpoint, or no endpoint, was never sent: it is repeated,
// whatever it is. That there is no room is this process's own limit, and those who listen
// are told of it.
func TestWhatNeverLeftIsRefused(t *testing.T) {
	full, down := newFleet(t, 1, who), newFleet(t, 0, who)
	source := new(discovery.Source)
	source.Fail(errors.New("registry down"))
	for name, c := range map[string]struct {
		f      *fleet
		r      discovery.Resolver
		config string
		told   int
		class  holdfast.Class
	}{"no room": {full, discovery.Static(full.addrs...), guarded, 3, holdfast.LocalShortage}, "no endpoint": {down, source, inTurn, 0, holdfast.Refused}} {
		p, told := &probe{}, 0
		tells := observe.New(observe.Options{Event: func(_ context.Context, e holdfast.Event) {
			if e.Kind == "rejection" && e.Policy == "balance" && e.Reason == "no_endpoint" && e.Err != nil {
				told++
			}
		}})
		cc := c.f.dial(t, c.r, c.config, grpcclient.DialOptions(tells, again(3), p)...)
		if _, err := ask(t, cc); err == nil {
			t.Fatalf("%s: there is an answer", name)
		}
		if len(p.results) != 3 || told != c.told {
			t.Errorf("%s: %d attempts, told of %d", name, len(p.results), told)
		}
		for _, res := range p.results {
			if res.Class != c.class {
				t.Errorf("%s: %+v", name, res)
			}
		}
	}
}

// A secretive resolver has no name of its own.
type secretive struct{ Token string }

func (*secretive) Watch(ctx context.Context) iter.Seq2[[]discovery.Endpoint, error] {
	return func(func([]discovery.Endpoint, error) bool) { <-ctx.Done() }
}

// What a resolver is made of is nobody's business.
func TestASilentResolverKeepsItsSecrets(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := new(channel)
		all := discovery.Merge(discovery.Filter(&secretive{"sesame"}, func(discovery.Endpoint) bool { return true }))
		r, err := grpcclient.Resolver("x", all).Build(resolver.Target{}, c, resolver.BuildOptions{})
		if err != nil {
			t.Fatal(err)
		}
		pass(11 * time.Second)
		if _, errs := c.told(); len(errs) != 1 || strings.Contains(errs[0], "sesame") || !strings.Contains(errs[0], "secretive") {
			t.Errorf("%q", errs)
		}
		r.Close()
	})
}

// A trailer that has the pushback's key and no value panics nowhere.
func TestAnEmptyPushbackMeansNever(t *testing.T) {
	calls := 0
	err := grpcclient.Wrapper{}.Unary(again(3))(t.Context(), get, say("x"), say(""), nil, func(_ context.Context, _ string, _, _ any, _ *grpc.ClientConn, opts ...grpc.CallOption) error {
		calls++
		for _, o := range opts {
			if trailer, ok := o.(grpc.TrailerCallOption); ok {
				*trailer.TrailerAddr = metadata.MD{"grpc-retry-pushback-ms": nil}
			}
		}
		return unavailable
	})
	if err == nil || calls != 1 {
		t.Errorf("%v after %d calls", err, calls)
	}
}
