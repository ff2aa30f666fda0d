package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"time"

	"google.golang.org/grpc"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/breaker"
	"github.com/holdfast-go/holdfast/discovery"
	"github.com/holdfast-go/holdfast/interceptors/httpclient"
	"github.com/holdfast-go/holdfast/loadbalance"
	"github.com/holdfast-go/holdfast/preset"
)

// clients are those that are soaked: HTTP with a balancer of its own, and gRPC, each with a Stack.
type clients struct {
	set    *loadbalance.Set
	stacks []*preset.Stack // of HTTP, and of gRPC
	web    *http.Client
	rpc    *grpc.ClientConn
}

// eject has a node back within seconds.
var eject = loadbalance.EjectOptions{Interval: time.Second, BaseDuration: time.Second, MaxDuration: 3 * time.Second}

// shared is the key of what targets share that find no room in a table.
const shared = "other"

// room is how many targets the tables have room for; calls go to many more.
const room = 64

// base is the Config that the soak begins and ends with.
func base() preset.Config {
	c := preset.Standard()
	c.Limit.Max, c.Limit.Wait = 200, 50*time.Millisecond
	c.Timeout.Limit, c.Attempt.Limit = 2*time.Second, 700*time.Millisecond
	c.Hedge.MaxHedges = 1
	c.Limit.MaxTargets, c.Budget.MaxTargets, c.Hedge.MaxTargets, c.Breaker.MaxKeys, c.Rate.MaxTargets = room, room, room, room, room
	c.Breaker.MaxOpenDuration, c.Breaker.MaxRetryAfter = 2*time.Second, 2*time.Second
	return c
}

func newClients(nodes []*node) (*clients, error) {
	var addrs []string
	for _, n := range nodes {
		addrs = append(addrs, n.addr)
	}
	c := new(clients)
	c.set = loadbalance.New(discovery.Static(addrs...), nil, loadbalance.Options{
		Eject: eject, Await: 200 * time.Millisecond, Check: loadbalance.Checks{Probe: loadbalance.TCP, Interval: time.Second},
	})
	for _, inner := range [][]holdfast.Policy{{c.set}, nil} {
		config := base()
		config.Inner = inner
		stack, err := preset.NewStack(config)
		if err != nil {
			c.set.Close()
			return nil, err
		}
		c.stacks = append(c.stacks, stack)
	}
	c.web = &http.Client{Transport: httpclient.Wrap(new(http.Transport), c.stacks[0])}
	var err error
	if c.rpc, err = dial(nodes, c.stacks[1]); err != nil {
		c.set.Close()
	}
	return c, err
}

// reload gives both Stacks another Config each second.
func (c *clients) reload(ctx context.Context, random *rand.Rand) {
	for sleep(ctx, time.Second) {
		for _, s := range c.stacks {
			config := drawn(random)
			config.Inner = s.Config().Inner
			for config.Validate() != nil {
				config = drawn(random)
				config.Inner = s.Config().Inner
			}
			if _, err := s.Update(config); err != nil {
				panic(err) // Validate has just accepted it
			}
		}
	}
}

// restore brings the first Config back.
func (c *clients) restore() error {
	for _, s := range c.stacks {
		config := base()
		config.Inner = s.Config().Inner
		if _, err := s.Update(config); err != nil {
			return err
		}
	}
	return nil
}

// close ends the clients as a program would at its end; within is how long calls may go on.
func (c *clients) close(within time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	var errs []error
	for _, s := range c.stacks {
		errs = append(errs, s.Shutdown(ctx))
	}
	c.set.Close()
	return errors.Join(append(errs, c.rpc.Close())...)
}

// ill returns the targets of circuits that are not closed, and of budgets that have fewer tokens
// than each begins with. What targets share that find no room ("other") is none: when there is
// room again, no call comes to it.
func (c *clients) ill() (targets []string) {
	for _, s := range c.stacks {
		s.Breaker().Each(func(key string, is breaker.Status) bool {
			if is.State != breaker.Closed && key != shared {
				targets = append(targets, key)
			}
			return true
		})
		for f := range s.Budget().Figures {
			if f.Name == "retry_budget_tokens" && f.Value < float64(base().Budget.Min) && f.Labels["target"] != shared {
				targets = append(targets, f.Labels["target"])
			}
		}
	}
	return targets
}

// idle reports what is held though no call is under way: places, and waits for them.
func (c *clients) idle() error {
	var held string
	for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		if held = c.held(); held == "" || time.Now().After(end) {
			break
		}
	}
	if held != "" {
		return errors.New("no call is under way, and there is " + held)
	}
	return nil
}

func (c *clients) held() string {
	for _, s := range c.stacks {
		for _, p := range s.Inside() {
			m, ok := p.(holdfast.Measured)
			if !ok {
				continue
			}
			for f := range m.Figures {
				if slices.Contains([]string{"limit_in_flight", "limit_waiting", "rate_waiting"}, f.Name) && f.Value != 0 {
					return fmt.Sprintf("%s %v of %v", f.Name, f.Value, f.Labels)
				}
			}
		}
	}
	for _, n := range c.set.Nodes() {
		if n.InFlight() != 0 {
			return fmt.Sprintf("%d calls at %s", n.InFlight(), n.Addr())
		}
	}
	return ""
}
