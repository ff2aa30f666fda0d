package loadbalance_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/discovery"
	"github.com/holdfast-go/holdfast/loadbalance"
)

func TestGuardsKeepCallsFromNodes(t *testing.T) {
	guards := map[string]*guard{}
	o := loadbalance.Options{Guard: func(e discovery.Endpoint) loadbalance.Guard {
		guards[e.Addr] = &guard{room: 2}
		return guards[e.Addr]
	}}
	in(t, 2, loadbalance.RoundRobin, o, func(t *testing.T, _ *loadbalance.Set, h holdfast.Handler) {
		w := newWorld(func(ctx context.Context, _ string, n int) holdfast.Result {
			if n > 2 {
				t.Errorf("%d calls at once", n)
			}
			return takes(ctx, time.Second)
		})
		var wg sync.WaitGroup
		var mu sync.Mutex
		none := 0
		for range 6 {
			wg.Go(func() {
				if res := w.call(t.Context(), h); errors.Is(res.Err, loadbalance.ErrNoEndpoint) {
					mu.Lock()
					none++
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		if none != 2 {
			t.Errorf("%d of 6 calls found no room, want 2", none)
		}
		for addr, g := range guards {
			if g.room != 2 {
				t.Errorf("%s has room for %d at the end", addr, g.room)
			}
		}
	})
}

type guard struct {
	mu   sync.Mutex
	room int
}

func (g *guard) Ready() bool { g.mu.Lock(); defer g.mu.Unlock(); return g.room > 0 }

func (g *guard) Enter() (leave func(holdfast.Class, time.Duration), ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.room == 0 {
		return nil, false
	}
	g.room--
	return func(holdfast.Class, time.Duration) {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.room++
	}, true
}

// Priorities: Envoy's tables.
func TestPrioritiesSpillOver(t *testing.T) {
	for _, c := range []struct{ ill, want []float64 }{ // of ten nodes each
		{[]float64{0, 0}, []float64{1, 0}},
		{[]float64{2, 0}, []float64{1, 0}},
		{[]float64{5, 0}, []float64{0.7, 0.3}},
		{[]float64{7, 0}, []float64{0.42, 0.58}},
		{[]float64{10, 0}, []float64{0, 1}},
		{[]float64{7, 7}, []float64{0.5, 0.5}},
	} {
		synctest.Test(t, func(t *testing.T) {
			sick := map[string]bool{}
			var endpoints []discovery.Endpoint
			for priority, n := range c.ill {
				for i := range 10 {
					addr := fmt.Sprintf("%d-%d", priority, i)
					endpoints = append(endpoints, discovery.Endpoint{Addr: addr, Priority: priority})
					sick[addr] = float64(i) < n
				}
			}
			p := loadbalance.NewPool(loadbalance.Random, loadbalance.Options{Check: loadbalance.Checks{Probe: func(_ context.Context, e discovery.Endpoint) error {
				if sick[e.Addr] {
					return errors.New("ill")
				}
				return nil
			}}})
			defer p.Close()
			p.Update(endpoints)
			synctest.Wait()
			got := make([]float64, len(c.want))
			for range 20_000 {
				picked, _ := p.Pick(loadbalance.PickInfo{})
				got[picked.Node.Endpoint().Priority] += 1. / 20_000
				picked.Done(holdfast.Success)
			}
			for i := range got {
				if math.Abs(got[i]-c.want[i]) > 0.02 {
					t.Errorf("with %v of ten ill: %.2f, want %v", c.ill, got, c.want)
				}
			}
		})
	}
}

// What is known of a node survives a reordered and changed set; a resolver that
// yields while it is closed harms nobody.
func TestNodesAreKeptByTheirAddress(t *testing.T) {
	p := loadbalance.NewPool(nil, loadbalance.Options{})
	defer p.Close()
	p.Update([]discovery.Endpoint{{Addr: "a"}, {Addr: "b"}})
	picked, _ := p.Pick(loadbalance.PickInfo{})
	node := picked.Node
	p.Update([]discovery.Endpoint{{Addr: "c"}, {Addr: "b", Weight: 3, Zone: "z"}, {Addr: "a", Weight: 3, Zone: "z"}, {Addr: "a"}})
	if len(p.Nodes()) != 3 || node.InFlight() != 1 || node.Endpoint().Zone != "z" {
		t.Errorf("%d nodes; %d in flight in %q", len(p.Nodes()), node.InFlight(), node.Endpoint().Zone)
	}
	picked.Done(holdfast.Success)
	p.Update([]discovery.Endpoint{{Addr: "a", Weight: -1}, {Addr: "c"}})
	for range 20 {
		picked, _ := p.Pick(loadbalance.PickInfo{})
		if picked.Node.Addr() == "a" {
			t.Fatal("a drained node is picked")
		}
		picked.Done(holdfast.Success)
	}
}

func TestClosingLeavesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // which fails on what is left
		endless := discovery.Func(func(ctx context.Context) iter.Seq2[[]discovery.Endpoint, error] {
			return func(yield func([]discovery.Endpoint, error) bool) {
				for i := 0; yield([]discovery.Endpoint{{Addr: fmt.Sprint(i % 5)}, {Addr: "x"}}, nil); i++ {
					select {
					case <-ctx.Done():
						return
					case <-time.After(time.Millisecond):
					}
				}
			}
		})
		s := loadbalance.New(endless, nil, loadbalance.Options{Check: loadbalance.Checks{Probe: func(ctx context.Context, _ discovery.Endpoint) error { <-ctx.Done(); return ctx.Err() }}})
		w := newWorld(func(context.Context, string, int) holdfast.Result { return bad })
		w.drive(holdfast.Chain(s), 200, 2*time.Second)
		s.Close()
	})
}
