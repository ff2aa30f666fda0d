package loadbalance_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/discovery"
	"github.com/holdfast-go/holdfast/loadbalance"
)

// grpc-go #1663: while every connection is healthy, a server that is added has its
// calls within one interval of looking.
func TestAServerThatIsAddedHasCallsWithinAnInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		names := func(context.Context) ([]discovery.Endpoint, error) {
			if time.Since(start) < time.Minute {
				return []discovery.Endpoint{{Addr: "a"}, {Addr: "b"}}, nil
			}
			return []discovery.Endpoint{{Addr: "a"}, {Addr: "b"}, {Addr: "c"}}, nil
		}
		s := loadbalance.New(discovery.Poll(names, discovery.PollOptions{}), loadbalance.RoundRobin, loadbalance.Options{})
		defer s.Close()
		w := newWorld(func(ctx context.Context, _ string, _ int) holdfast.Result { return takes(ctx, time.Millisecond) })
		w.drive(holdfast.Chain(s), 20, time.Minute+33*time.Second) // 30 s, a tenth more or less
		if w.got["c"] == 0 {
			t.Error("it has none")
		}
	})
}

// What becomes of nodes can be read, and is told once an Interval where nothing is done.
func TestTheHealthOfNodesCanBeRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told []string
		var mu sync.Mutex
		p := loadbalance.NewPool(loadbalance.RoundRobin, loadbalance.Options{
			Check: loadbalance.Checks{Probe: func(_ context.Context, e discovery.Endpoint) error {
				if e.Addr == "ill" {
					return errors.New("no")
				}
				return nil
			}},
			OnChange: func(_ context.Context, c holdfast.Event) {
				mu.Lock()
				defer mu.Unlock()
				told = append(told, c.Endpoint+" "+c.To)
			},
		})
		defer p.Close()
		p.Update([]discovery.Endpoint{{Addr: "a"}, {Addr: "b"}, {Addr: "ill"}, {Addr: "drained", Weight: -1}, {Addr: "unready"}})
		p.SetReady(func(addr string) bool { return addr != "unready" })
		synctest.Wait()
		health := func() (list string) {
			p.Each(func(s loadbalance.Stats) bool { list += s.Addr + "=" + s.Health + " "; return true })
			return list
		}
		if got := health(); got != "a=ready b=ready ill=unhealthy drained=drained unready=unready " {
			t.Errorf("%s", got)
		}
		fail := func(n int) {
			for range n {
				picked, ok := p.Pick(loadbalance.PickInfo{})
				if !ok {
					t.Fatal("nobody is there")
				}
				picked.Answered(bad)
				picked.Done(bad.Class)
			}
		}
		fail(30)
		if got := health(); !strings.Contains(got, "=ejected") {
			t.Errorf("%s", got)
		}
		panics := 0.0
		for f := range p.Figures {
			if f.Name == "panic_picks_total" {
				panics = f.Value
			}
		}
		if panics == 0 {
			t.Error("one of three is well, and nobody panics")
		}
		spared := func() int {
			mu.Lock()
			defer mu.Unlock()
			return strings.Count(strings.Join(told, "\n"), "spared")
		}
		before := spared()
		time.Sleep(11 * time.Second)
		fail(30)
		if after := spared(); before == 0 || before > 2 || after <= before || after > 2*before+1 {
			t.Errorf("told of %d and then %d that are spared: %v", before, after, told)
		}
		time.Sleep(30 * time.Second)
		if got := health(); !strings.Contains(got, "=probing") {
			t.Errorf("%s", got)
		}
		stop := true
		p.Each(func(loadbalance.Stats) bool { stop = !stop; return false })
		if stop {
			t.Error("told of more than one after a no")
		}
	})
}

// A Pool that is closed tells nobody any more that a node's time to drain is over.
func TestClosingEndsTheDraining(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := loadbalance.NewPool(loadbalance.RoundRobin, loadbalance.Options{Drain: time.Second})
		var drained []string
		var mu sync.Mutex
		p.OnDrained(func(addr string) {
			mu.Lock()
			defer mu.Unlock()
			drained = append(drained, addr)
		})
		for _, addrs := range [][]discovery.Endpoint{{{Addr: "a"}}, {{Addr: "b"}}, {{Addr: "c"}}} {
			p.Update(addrs)
			picked, _ := p.Pick(loadbalance.PickInfo{})
			if picked.Node.Addr() == "a" {
				defer picked.Done(holdfast.Ignored)
			}
			if picked.Node.Addr() == "b" {
				p.Update([]discovery.Endpoint{{Addr: "c"}})
				time.Sleep(2 * time.Second) // a and b have had their time
				picked.Done(holdfast.Ignored)
			}
		}
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		if got := strings.Join(drained, " "); got != "a b" && got != "b a" {
			t.Errorf("%s", got)
		}
		mu.Unlock()
		p.Update([]discovery.Endpoint{{Addr: "d"}})
		p.Close()
		time.Sleep(time.Minute)
		mu.Lock()
		if len(drained) != 2 {
			t.Errorf("after Close: %v", drained)
		}
	})
}
