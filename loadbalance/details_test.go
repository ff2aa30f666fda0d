package loadbalance_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/discovery"
	"github.com/holdfast-go/holdfast/loadbalance"
)

// A slow call counts at once, fast ones after it by and by.
func TestPeakEWMAJumpsAndComesBackSlowly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := loadbalance.NewPool(nil, loadbalance.Options{})
		defer p.Close()
		p.Update([]discovery.Endpoint{{Addr: "a"}})
		call := func(takes time.Duration) time.Duration {
			picked, _ := p.Pick(loadbalance.PickInfo{})
			time.Sleep(takes)
			picked.Answered(good)
			picked.Done(holdfast.Success)
			probe, _ := p.Pick(loadbalance.PickInfo{})
			probe.Done(holdfast.Ignored)
			ns, _ := picked.Node.Latency(sinceBubble(), 0)
			return time.Duration(ns)
		}
		for range 100 {
			call(time.Millisecond)
		}
		if d := call(time.Second); d < 990*time.Millisecond {
			t.Errorf("after one slow call it is %v", d)
		}
		if d := call(time.Millisecond); d < 900*time.Millisecond {
			t.Errorf("one fast call forgives all: %v", d)
		}
		for range 30_000 {
			call(time.Millisecond)
		}
		if d := call(time.Millisecond); d > 60*time.Millisecond {
			t.Errorf("half a minute later it is %v", d)
		}
	})
}

// sinceBubble is any time: without a decay it makes no difference.
func sinceBubble() int64 { return 0 }

// Nodes that have nothing to do are drawn evenly, with and without weights.
func TestTwoChoicesAreEven(t *testing.T) {
	for name, weight := range map[string]func(i int) int{"alike": func(int) int { return 1 }, "by weight": func(i int) int { return 1 + i%2*3 }} {
		p := loadbalance.NewPool(loadbalance.LeastRequest, loadbalance.Options{})
		var list []discovery.Endpoint
		sum := 0
		for i := range 16 {
			list = append(list, discovery.Endpoint{Addr: fmt.Sprint(i), Weight: weight(i)})
			sum += weight(i)
		}
		p.Update(list)
		const n = 40_000
		got := map[string]int{}
		for range n {
			picked, _ := p.Pick(loadbalance.PickInfo{})
			got[picked.Node.Addr()]++
			picked.Done(holdfast.Success)
		}
		for i, e := range list {
			// of two that are idle the heavier wins, so that weights tell twice
			if want := n / 16; name == "alike" && (got[e.Addr] < want*9/10 || got[e.Addr] > want*11/10) || got[e.Addr] == 0 || got[e.Addr] > 4*n*weight(i)/sum {
				t.Errorf("%s: %d of %d for node %d", name, got[e.Addr], n, i)
			}
		}
		p.Close()
	}
}

// The only idle one of sixteen is picked whenever it is drawn, first or second.
func TestBothChoicesAreDrawnFromAll(t *testing.T) {
	for idle := range 16 {
		p := loadbalance.NewPool(loadbalance.LeastRequest, loadbalance.Options{})
		var list []discovery.Endpoint
		for i := range 16 {
			list = append(list, discovery.Endpoint{Addr: fmt.Sprint(i)})
		}
		p.Update(list)
		for busy := map[string]bool{fmt.Sprint(idle): true}; len(busy) < 16; {
			picked, _ := p.Pick(loadbalance.PickInfo{})
			if addr := picked.Node.Addr(); busy[addr] {
				picked.Done(holdfast.Success)
			} else {
				busy[addr] = true
			}
		}
		const n = 20_000
		got := 0
		for range n {
			picked, _ := p.Pick(loadbalance.PickInfo{})
			if picked.Node.Addr() == fmt.Sprint(idle) {
				got++
			}
			picked.Done(holdfast.Success)
		}
		if share := float64(got) / n; share < 0.11 || share > 0.14 {
			t.Errorf("node %d: %.3f, want 2/16", idle, share)
		}
		p.Close()
	}
}

// A key goes to the node that is its own from the first call on: slow start would move it.
func TestKeysKnowNoSlowStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, strategy := range map[string]loadbalance.Strategy{"ring hash": loadbalance.RingHash, "maglev": loadbalance.Maglev, "rendezvous": loadbalance.Rendezvous} {
			all := []discovery.Endpoint{{Addr: "a"}, {Addr: "b"}, {Addr: "c"}}
			owner := func(p *loadbalance.Pool, key int) string {
				picked, _ := p.Pick(loadbalance.PickInfo{Ctx: loadbalance.WithKey(t.Context(), fmt.Sprint(key))})
				picked.Done(holdfast.Success)
				return picked.Node.Addr()
			}
			warm := loadbalance.NewPool(strategy, loadbalance.Options{})
			warm.Update(all)
			cold := loadbalance.NewPool(strategy, loadbalance.Options{SlowStart: time.Minute})
			cold.Update(all[:2])
			cold.Update(all)
			for key := range 300 {
				if a, b := owner(warm, key), owner(cold, key); a != b {
					t.Fatalf("%s: key %d is %s's, and %s's when c is new", name, key, a, b)
				}
			}
			warm.Close()
			cold.Close()
		}
	})
}

// Two drawn nodes differ, so that one which hangs gets next to nothing.
func TestTwoChoicesAreTwoNodes(t *testing.T) {
	w := newWorld(func(ctx context.Context, addr string, _ int) holdfast.Result {
		if addr == "a" {
			return takes(ctx, 30*time.Second)
		}
		return takes(ctx, 10*time.Millisecond)
	})
	in(t, 4, loadbalance.NewLeastRequest(2), loadbalance.Options{}, func(t *testing.T, _ *loadbalance.Set, h holdfast.Handler) {
		w.drive(h, 200, 100*time.Second)
		if part := w.share("a"); part > 0.0015 {
			t.Errorf("%.3f %% of the calls", 100*part)
		}
	})
}

// With less than half of the nodes well all of them are used, and else those alone.
func TestThePanicThresholdIsAHalf(t *testing.T) {
	for ill, want := range map[int]int{4: 6, 5: 5, 6: 10} {
		synctest.Test(t, func(t *testing.T) {
			sick := map[string]bool{}
			var endpoints []discovery.Endpoint
			for i := range 10 {
				addr := fmt.Sprint(i)
				endpoints = append(endpoints, discovery.Endpoint{Addr: addr})
				sick[addr] = i < ill
			}
			p := loadbalance.NewPool(loadbalance.RoundRobin, loadbalance.Options{Check: loadbalance.Checks{Probe: func(_ context.Context, e discovery.Endpoint) error {
				if sick[e.Addr] {
					return errors.New("ill")
				}
				return nil
			}}})
			defer p.Close()
			p.Update(endpoints)
			synctest.Wait()
			if p.Ready() != want {
				t.Errorf("with %d of 10 ill %d are used, want %d", ill, p.Ready(), want)
			}
		})
	}
}

// The second ejection in a row lasts twice as long, and a quiet time makes up for it.
func TestEjectionsGrow(t *testing.T) {
	var lasted []time.Duration
	o := loadbalance.Options{OnChange: func(_ context.Context, c holdfast.Event) {
		if c.To == "ejected" {
			lasted = append(lasted, c.Wait)
		}
	}}
	w := newWorld(func(ctx context.Context, addr string, _ int) holdfast.Result {
		if addr == "a" {
			return bad
		}
		return takes(ctx, time.Millisecond)
	})
	in(t, 4, loadbalance.RoundRobin, o, func(t *testing.T, _ *loadbalance.Set, h holdfast.Handler) {
		w.drive(h, 50, 25*time.Minute)
	})
	if len(lasted) < 8 {
		t.Fatalf("%v", lasted)
	}
	for i, d := range lasted {
		want := min(time.Duration(i+1)*30*time.Second, 300*time.Second)
		if d < want*9/10 || d > want*11/10 {
			t.Errorf("ejection %d lasts %v, want %v, a tenth more or less", i+1, d, want)
		}
	}
}

// Strategies that do not go by the time spare the looks at the clock, and with them
// what calls take.
func TestOnlyWhatAsksForTheTimePaysForIt(t *testing.T) {
	for name, strategy := range strategies {
		p := pool(t, strategy, loadbalance.Options{}, named(3)...)
		picked, _ := p.Pick(loadbalance.PickInfo{})
		picked.Answered(good)
		picked.Done(holdfast.Success)
		_, seen := picked.Node.Latency(0, 0)
		if want := name == "peak ewma" || name == "full peak ewma" || name == "prequal" || name == "zone aware"; seen != want {
			t.Errorf("%s: what a call took is known: %v", name, seen)
		}
	}
}
