package grpcclient_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"
	"google.golang.org/grpc/serviceconfig"

	"github.com/holdfast-go/holdfast/discovery"
	"github.com/holdfast-go/holdfast/interceptors/grpcclient"
)

// A channel notes what its resolver tells it.
type channel struct {
	mu     sync.Mutex
	states []resolver.State
	errs   []string
}

func (c *channel) UpdateState(s resolver.State) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.states = append(c.states, s)
	return nil
}

func (c *channel) ReportError(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.errs = append(c.errs, err.Error())
}

func (c *channel) NewAddress([]resolver.Address)                        {}
func (c *channel) ParseServiceConfig(string) *serviceconfig.ParseResult { return nil }

// told is what it was told so far.
func (c *channel) told() (states []resolver.State, errs []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.states), slices.Clone(c.errs)
}

// A resolver that says nothing is reported after 10 s, and only then; what it says
// later counts. Errors after a good answer, and empty answers, reach nobody.
func TestASilentResolverIsReportedInTime(t *testing.T) {
	bubble(t, func(t *testing.T) {
		source := new(discovery.Source)
		c := &channel{}
		r, err := grpcclient.Resolver("x", source).Build(resolver.Target{}, c, resolver.BuildOptions{})
		if err != nil {
			t.Fatal(err)
		}
		pass(9 * time.Second)
		if _, errs := c.told(); len(errs) != 0 {
			t.Errorf("after 9 s: %v", errs)
		}
		pass(2 * time.Second)
		if _, errs := c.told(); len(errs) != 1 {
			t.Errorf("after 11 s: %v", errs)
		}
		source.Publish(1, discovery.Endpoint{Addr: "a", Weight: 3}, discovery.Endpoint{Addr: "b"})
		pass(time.Second)
		source.Fail(errors.New("down"))
		pass(time.Second)
		source.Publish(2)
		pass(time.Minute)
		if states, errs := c.told(); len(states) != 1 || len(states[0].Endpoints) != 2 || len(states[0].Addresses) != 2 || len(errs) != 1 {
			t.Errorf("%d states, %v", len(states), errs)
		}
		r.ResolveNow(resolver.ResolveNowOptions{})
		r.Close() // and nothing is left, or the bubble fails
	})
}

// Hints are handed on to who can look again.
func TestResolveNowRefreshes(t *testing.T) {
	bubble(t, func(t *testing.T) {
		looks := 0
		poll := discovery.Poll(func(context.Context) ([]discovery.Endpoint, error) {
			looks++
			return []discovery.Endpoint{{Addr: fmt.Sprint(looks)}}, nil
		}, discovery.PollOptions{})
		c := &channel{}
		r, err := grpcclient.Resolver("x", poll).Build(resolver.Target{}, c, resolver.BuildOptions{})
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		pass(5 * time.Second)
		for range 10 {
			r.ResolveNow(resolver.ResolveNowOptions{})
		}
		pass(100 * time.Millisecond)
		if states, _ := c.told(); len(states) != 2 {
			t.Errorf("%d states", len(states))
		}
	})
}

// An empty update of any resolver leaves a healthy channel as it is.
func TestAnEmptyUpdateKillsNoChannel(t *testing.T) {
	f := newFleet(t, 1, who)
	m := manual.NewBuilderWithScheme("others")
	m.InitialState(resolver.State{Addresses: []resolver.Address{{Addr: f.addrs[0]}}})
	cc, err := grpc.NewClient("others:///x", grpc.WithResolvers(m), grpc.WithDefaultServiceConfig(inTurn), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cc.Close() }()
	if _, err := ask(t, cc); err != nil {
		t.Fatal(err)
	}
	m.UpdateState(resolver.State{})
	for range 50 {
		if _, err := ask(t, cc); err != nil {
			t.Fatalf("after an empty update: %v", err)
		}
	}
}
