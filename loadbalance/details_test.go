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
			p := loadbalance.NewPool(loadbalance.RoundRobin, loadbalance.Options{Check: loadbalance.Checks{Ask: func(_ context.Context, e discovery.Endpoint) error {
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
	o := loadbalance.Options{OnChange: func(c loadbalance.Change) {
		if c.What == "ejected" {
			lasted = append(lasted, c.For)
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
