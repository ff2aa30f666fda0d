package loadbalance_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/discovery"
	"github.com/holdfast-go/holdfast/holdfasttest"
	"github.com/holdfast-go/holdfast/loadbalance"
)

// One poisonous caller does not eject healthy nodes: a 500 is no error of the
// infrastructure.
func TestWhatMayBeABugEjectsNobody(t *testing.T) {
	w := newWorld(func(context.Context, string, int) holdfast.Result { return buggy })
	in(t, 4, nil, loadbalance.Options{OnChange: func(_ context.Context, c holdfast.Event) { t.Errorf("%+v", c) }}, func(_ *testing.T, _ *loadbalance.Set, h holdfast.Handler) {
		w.drive(h, 500, 30*time.Second)
	})
	for code, want := range map[holdfast.Code]bool{"500": false, "501": false, "502": true, "503": true, "504": true, "timeout": true,
		"dial": true, "reset": true, "eof": true, "UNAVAILABLE": true, "DEADLINE_EXCEEDED": true, "UNKNOWN": false, "INTERNAL": false, "tls": true} {
		if got := loadbalance.Infrastructure(holdfast.Result{Class: holdfast.Failure, Code: code}); got != want {
			t.Errorf("%s: %v", code, got)
		}
	}
}

// An ejection lasts 30 s, then one call shows whether the node is back; then it
// takes its share slowly. The next one lasts longer.
func TestAnEjectionEndsWithOneProbeAndASlowStart(t *testing.T) {
	var changes []string
	down := true
	w := newWorld(func(ctx context.Context, addr string, _ int) holdfast.Result {
		if addr == "a" && down {
			return bad
		}
		return takes(ctx, time.Millisecond)
	})
	start := time.Time{}
	o := loadbalance.Options{OnChange: func(_ context.Context, c holdfast.Event) {
		changes = append(changes, fmt.Sprintf("%s %s after %.0f s", c.Endpoint, c.To, time.Since(start).Seconds()))
	}}
	in(t, 4, loadbalance.RoundRobin, o, func(t *testing.T, _ *loadbalance.Set, h holdfast.Handler) {
		start = time.Now()
		w.drive(h, 200, 20*time.Second)
		w.reset()
		w.drive(h, 200, 20*time.Second) // over the first probe, which fails
		if w.got["a"] != 1 {
			t.Errorf("%d calls to it around its probe, want 1", w.got["a"])
		}
		down = false
		for !strings.Contains(strings.Join(changes, " "), "back") && time.Since(start) < 2*time.Minute {
			w.drive(h, 200, time.Second)
		}
		w.reset()
		w.drive(h, 200, 4*time.Second)
		if part := w.share("a"); part < 0.01 || part > 0.2 {
			t.Errorf("%.3f of all while it comes back; %v", part, changes)
		}
		time.Sleep(20 * time.Second)
		w.reset()
		w.drive(h, 200, 5*time.Second)
		if part := w.share("a"); math.Abs(part-0.25) > 0.02 {
			t.Errorf("%.3f of all when it is back; %v", part, changes)
		}
		var what []string
		for _, c := range changes {
			what = append(what, strings.Fields(c)[1])
		}
		if got := strings.Join(what, " "); got != "ejected probing ejected probing back" {
			t.Errorf("%v", changes)
		}
	})
}

// Section 5: a counter of ejected nodes that leaks switches ejection off for good.
// After hundreds of rollouts with an ejected node each it works as at first.
func TestEjectionSurvivesHundredsOfRollouts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := loadbalance.NewPool(loadbalance.RoundRobin, loadbalance.Options{Eject: loadbalance.EjectOptions{MaxShare: 0.1}})
		defer p.Close()
		for rollout := range 300 {
			var endpoints []discovery.Endpoint
			for i := range 20 {
				endpoints = append(endpoints, discovery.Endpoint{Addr: fmt.Sprintf("%d-%d", rollout, i)})
			}
			p.Update(endpoints)
			ejected := map[string]bool{}
			for range 400 {
				picked, _ := p.Pick(loadbalance.PickInfo{})
				res := good
				if strings.HasSuffix(picked.Node.Addr(), "-3") || strings.HasSuffix(picked.Node.Addr(), "-7") {
					res = bad
					ejected[picked.Node.Addr()] = true
				}
				picked.Answered(res)
				picked.Done(res.Class)
			}
			for range 100 {
				picked, _ := p.Pick(loadbalance.PickInfo{})
				if ejected[picked.Node.Addr()] {
					t.Fatalf("rollout %d: %s is not ejected", rollout, picked.Node.Addr())
				}
				picked.Done(holdfast.Success)
			}
		}
	})
}

// The two rules of intervals: by failures, and by the mean of all.
func TestOutliersAreEjectedBySweeps(t *testing.T) {
	for name, c := range map[string]struct {
		n    int
		part float64 // of the calls of "a" that fail; of the others one in twenty does
		o    loadbalance.EjectOptions
		want bool
	}{
		"nine in ten fail":                {10, 0.9, loadbalance.EjectOptions{ConsecutiveFailures: -1, Deviations: -1}, true},
		"four in five do":                 {10, 0.8, loadbalance.EjectOptions{ConsecutiveFailures: -1, Deviations: -1}, false},
		"far from the mean":               {10, 0.5, loadbalance.EjectOptions{ConsecutiveFailures: -1, FailureRatio: -1}, true},
		"four nodes have no such outlier": {4, 0.5, loadbalance.EjectOptions{ConsecutiveFailures: -1, FailureRatio: -1}, false},
		"off":                             {10, 1, loadbalance.EjectOptions{BaseDuration: -1}, false},
	} {
		t.Run(name, func(t *testing.T) {
			ejected := false
			o := loadbalance.Options{Eject: c.o, OnChange: func(_ context.Context, e holdfast.Event) { ejected = ejected || e.To == "ejected" && e.Endpoint == "a" }}
			turn := map[string]int{}
			w := newWorld(func(ctx context.Context, addr string, _ int) holdfast.Result {
				turn[addr]++ // in a bubble and instant: one at a time
				part := 0.05
				if addr == "a" {
					part = c.part
				}
				if int(float64(turn[addr])*part) != int(float64(turn[addr]-1)*part) {
					return bad
				}
				return good
			})
			in(t, c.n, loadbalance.RoundRobin, o, func(t *testing.T, _ *loadbalance.Set, h holdfast.Handler) {
				for range 25 * 200 {
					w.call(t.Context(), h)
					time.Sleep(5 * time.Millisecond)
				}
			})
			if ejected != c.want {
				t.Errorf("ejected is %v", ejected)
			}
		})
	}
}

// A negative Interval switches the checks off; one answer is enough where UnhealthyThreshold and HealthyThreshold are negative.
func TestChecksThatAreOffAndThatNeedNoRow(t *testing.T) {
	var asks, changes atomic.Int64
	var ill atomic.Bool
	o := loadbalance.Options{OnChange: func(context.Context, holdfast.Event) { changes.Add(1) }, Check: loadbalance.Checks{
		Interval: -1, UnhealthyThreshold: -1, HealthyThreshold: -1, Probe: func(context.Context, discovery.Endpoint) error {
			if asks.Add(1); ill.Load() {
				return errors.New("ill")
			}
			return nil
		},
	}}
	in(t, 1, nil, o, func(t *testing.T, _ *loadbalance.Set, _ holdfast.Handler) {
		if time.Sleep(time.Hour); asks.Load() != 0 {
			t.Errorf("%d questions, want none", asks.Load())
		}
	})
	o.Check.Interval = 0
	in(t, 1, nil, o, func(t *testing.T, _ *loadbalance.Set, _ holdfast.Handler) {
		for n := range int64(3) {
			ill.Store(n == 1)
			was := asks.Load()
			for n > 0 && asks.Load() == was {
				time.Sleep(time.Second)
			}
			if changes.Load() != n {
				t.Errorf("%d changes after as many answers of another kind, want %d", changes.Load(), n)
			}
		}
	})
}

func TestChecksTakeNodesOutAndIn(t *testing.T) {
	ill := map[string]bool{}
	var mu sync.Mutex
	set := func(addr string, is bool) { mu.Lock(); ill[addr] = is; mu.Unlock() }
	asks := 0
	o := loadbalance.Options{Check: loadbalance.Checks{Probe: func(ctx context.Context, e discovery.Endpoint) error {
		mu.Lock()
		defer mu.Unlock()
		asks++
		if ill[e.Addr] {
			mu.Unlock()
			<-ctx.Done() // a check that hangs is a no, and does not stop the asking
			mu.Lock()
			return ctx.Err()
		}
		return nil
	}}}
	set("b", true)
	in(t, 4, loadbalance.RoundRobin, o, func(t *testing.T, _ *loadbalance.Set, h holdfast.Handler) {
		w := newWorld(func(ctx context.Context, _ string, _ int) holdfast.Result { return takes(ctx, 0) })
		used := func(after time.Duration) int {
			time.Sleep(after)
			w.reset()
			w.drive(h, 200, time.Second)
			return len(w.got)
		}
		if n := used(2 * time.Second); n != 3 {
			t.Errorf("%d nodes with one that was ill from the first", n)
		}
		set("b", false)
		if n := used(40 * time.Second); n != 4 {
			t.Errorf("%d nodes, all well", n)
		}
		set("c", true)
		if n := used(20 * time.Second); n != 4 {
			t.Errorf("%d nodes after one bad check", n)
		}
		if n := used(40 * time.Second); n != 3 {
			t.Errorf("%d nodes after three", n)
		}
	})
	holdfasttest.CheckLeaks(t)
}
