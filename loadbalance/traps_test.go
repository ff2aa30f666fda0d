package loadbalance_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/discovery"
	"github.com/holdfast-go/holdfast/hedge"
	"github.com/holdfast-go/holdfast/holdfasttest"
	"github.com/holdfast-go/holdfast/loadbalance"
)

func TestT75_TheFirstCallWaitsAsLongAsItMay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := new(discovery.Source)
		s := loadbalance.New(source, nil)
		defer s.Close()
		h, w := holdfast.Chain(s), newWorld(func(ctx context.Context, _ string, _ int) holdfast.Result { return takes(ctx, 0) })
		time.Sleep(time.Second)
		source.Fail(errors.New("registry down"))
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		start := time.Now()
		res := w.call(ctx, h)
		var none *loadbalance.NoEndpointError
		if time.Since(start) != 100*time.Millisecond || !errors.As(res.Err, &none) || !errors.Is(res.Err, context.DeadlineExceeded) || res.Class != holdfast.Ignored {
			t.Errorf("%v after %v", res, time.Since(start))
		}
		for _, part := range []string{`"t"`, "source", "1.1s", "registry down"} { // target, resolver, age, last cause
			if !strings.Contains(res.Err.Error(), part) {
				t.Errorf("%q does not say %s", res.Err, part)
			}
		}
		time.AfterFunc(time.Second, func() { source.Publish(1, discovery.Endpoint{Addr: "a"}) })
		if res := w.call(t.Context(), h); res.Class != holdfast.Success {
			t.Errorf("a call that can wait: %v", res.Err)
		}
	})
}

func TestAKnownEmptySetIsAnErrorAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := new(discovery.Source)
		s := loadbalance.New(source, nil)
		defer s.Close()
		source.Publish(1)
		synctest.Wait()
		w := newWorld(nil)
		if res := w.call(t.Context(), holdfast.Chain(s)); !errors.Is(res.Err, loadbalance.ErrNoEndpoint) {
			t.Errorf("%v", res.Err)
		}
	})
}

func TestT76_ADeadNodeCostsNobodyAnything(t *testing.T) {
	w := newWorld(func(ctx context.Context, addr string, _ int) holdfast.Result {
		if addr == "a" {
			return dialed
		}
		return takes(ctx, time.Millisecond)
	})
	var ejected []loadbalance.Change
	o := loadbalance.Options{OnChange: func(c loadbalance.Change) { ejected = append(ejected, c) }}
	in(t, 2, loadbalance.RoundRobin, o, func(t *testing.T, _ *loadbalance.Set, h holdfast.Handler) {
		results, _ := w.drive(h, 100, 10*time.Second)
		if n := failures(results); n > 0 {
			t.Errorf("%d of %d calls failed", n, len(results))
		}
		if len(ejected) == 0 || ejected[0].Addr != "a" || ejected[0].What != "ejected" || w.got["a"] > 12 {
			t.Errorf("%d calls to the dead one; %+v", w.got["a"], ejected)
		}
	})
}

func TestT77_NotAllAreEjectedAndWhenAllAreBadAllAreUsed(t *testing.T) {
	w := newWorld(func(context.Context, string, int) holdfast.Result { return bad })
	in(t, 10, loadbalance.RoundRobin, loadbalance.Options{}, func(t *testing.T, s *loadbalance.Set, h holdfast.Handler) {
		w.drive(h, 1000, 5*time.Second)
		w.reset()
		w.drive(h, 1000, 5*time.Second)
		if len(w.got) != 7 {
			t.Errorf("%d of 10 are used, want 7: three may be ejected", len(w.got))
		}
	})
	// With half of them ejected, all are used.
	in(t, 10, loadbalance.RoundRobin, loadbalance.Options{Eject: loadbalance.EjectOptions{Share: 1}}, func(t *testing.T, _ *loadbalance.Set, h holdfast.Handler) {
		w.drive(h, 1000, 5*time.Second)
		w.reset()
		w.drive(h, 1000, 5*time.Second)
		if len(w.got) != 10 {
			t.Errorf("%d of 10 are used in a panic", len(w.got))
		}
	})
}

func TestT78_NoNewsRemovesNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := new(discovery.Source)
		s := loadbalance.New(source, nil)
		defer s.Close()
		source.Publish(1, discovery.Endpoint{Addr: "a"}, discovery.Endpoint{Addr: "b"})
		synctest.Wait()
		h := holdfast.Chain(s)
		var mu sync.Mutex
		var ended []holdfast.Result
		w := newWorld(func(ctx context.Context, _ string, _ int) holdfast.Result { return takes(ctx, 10*time.Second) })
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				res := w.call(t.Context(), h)
				mu.Lock()
				ended = append(ended, res)
				mu.Unlock()
			})
		}
		time.Sleep(time.Second)
		source.Publish(2)
		source.Fail(errors.New("gone"))
		synctest.Wait()
		if st := s.Status(); len(s.Nodes()) != 2 || !st.Stale.Equal(time.Now()) || st.Err == nil {
			t.Errorf("%d nodes, %+v", len(s.Nodes()), st)
		}
		var drained []string
		gone := func() []string {
			mu.Lock()
			defer mu.Unlock()
			return drained
		}
		s.OnDrained(func(addr string) {
			mu.Lock()
			drained = append(drained, addr)
			mu.Unlock()
		})
		source.Publish(3, discovery.Endpoint{Addr: "c"})
		synctest.Wait()
		if st := s.Status(); !st.Stale.IsZero() || len(s.Nodes()) != 1 || len(gone()) != 0 {
			t.Errorf("%+v, drained %v with calls under way", st, gone())
		}
		wg.Wait() // what was under way ends as it will
		for _, res := range ended {
			if res.Class != holdfast.Success {
				t.Errorf("%v", res.Err)
			}
		}
		if len(gone()) != 2 {
			t.Errorf("drained: %v", gone())
		}
	})
}

func TestT79_ANewNodeIsWarmedUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := new(discovery.Source)
		s := loadbalance.With(source, loadbalance.RoundRobin, loadbalance.Options{SlowStart: time.Minute})
		defer s.Close()
		old := []discovery.Endpoint{{Addr: "a"}, {Addr: "b"}, {Addr: "c"}}
		source.Publish(1, old...)
		synctest.Wait()
		h := holdfast.Chain(s)
		w := newWorld(func(ctx context.Context, _ string, _ int) holdfast.Result { return takes(ctx, time.Millisecond) })
		w.drive(h, 500, time.Second)
		source.Publish(2, append(old, discovery.Endpoint{Addr: "new"})...)
		synctest.Wait()
		for _, want := range []struct{ from, to float64 }{{0.01, 0.05}, {0.07, 0.13}, {0.13, 0.2}, {0.2, 0.26}} { // a tenth of a quarter, …
			w.reset()
			w.drive(h, 500, 6*time.Second)
			if part := w.share("new"); part < want.from || part > want.to {
				t.Errorf("%.3f of all, want %v", part, want)
			}
			time.Sleep(12 * time.Second)
		}
		w.reset()
		w.drive(h, 500, 10*time.Second)
		if part := w.share("new"); math.Abs(part-0.25) > 0.01 {
			t.Errorf("%.3f of all when it is warm", part)
		}
	})
}

// repeats is a policy that sends a call so often.
func repeats(n int) holdfast.Policy {
	return holdfast.PolicyFunc(func(next holdfast.Handler) holdfast.Handler {
		return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
			call.Record.Claim()
			res := next(ctx, call)
			for range n - 1 {
				res.Discard()
				call = call.Again()
				res = next(ctx, call)
			}
			return res
		}
	})
}

func TestT80_RepeatsGoWhereTheCallHasNotBeen(t *testing.T) {
	for name, strategy := range strategies {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := loadbalance.New(discovery.Static(hosts(4)...), strategy)
				defer s.Close()
				synctest.Wait()
				w := newWorld(func(ctx context.Context, _ string, _ int) holdfast.Result { return takes(ctx, time.Millisecond) })
				for range 50 {
					w.reset()
					w.call(loadbalance.WithKey(t.Context(), "k"), holdfast.Chain(repeats(4), s))
					if len(w.got) != 4 {
						t.Fatalf("four attempts went to %v", w.got)
					}
				}
				w.reset()
				w.call(t.Context(), holdfast.Chain(repeats(6), s))
				if n := w.got["a"] + w.got["b"] + w.got["c"] + w.got["d"]; n != 6 {
					t.Errorf("%d of six attempts on four nodes", n)
				}
			})
		})
	}
	in(t, 1, nil, loadbalance.Options{}, func(t *testing.T, _ *loadbalance.Set, h holdfast.Handler) {
		w := newWorld(func(ctx context.Context, _ string, _ int) holdfast.Result { return takes(ctx, 0) })
		if w.call(t.Context(), holdfast.Chain(repeats(3), holdfast.PolicyFunc(func(holdfast.Handler) holdfast.Handler { return h }))); w.got["a"] != 3 {
			t.Errorf("on one node: %v", w.got)
		}
	})
}

func TestT61_HedgesGoElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := loadbalance.New(discovery.Static("a", "b", "c"), nil)
		defer s.Close()
		synctest.Wait()
		h := holdfast.Chain(hedge.New(hedge.Options{Delay: 10 * time.Millisecond, Share: -1, Extra: 2}), s)
		w := newWorld(func(ctx context.Context, _ string, _ int) holdfast.Result { return takes(ctx, time.Second) })
		for range 30 {
			w.reset()
			w.call(t.Context(), h)
			if len(w.got) != 3 {
				t.Fatalf("three attempts went to %v", w.got)
			}
		}
	})
}

// A reply is an answer that goes on until it is ended.
type reply struct{ holdfast.Ending }

func (r *reply) Discard() { r.Finish(holdfast.End{Class: holdfast.Success}) }

func TestT82_InFlightUntilTheAnswerIsDone(t *testing.T) {
	in(t, 1, nil, loadbalance.Options{}, func(t *testing.T, s *loadbalance.Set, h holdfast.Handler) {
		open := &reply{}
		w := newWorld(func(context.Context, string, int) holdfast.Result {
			return holdfast.Result{Reply: open, Class: holdfast.Success}
		})
		n := s.Nodes()[0]
		w.call(t.Context(), h)
		if n.InFlight() != 1 {
			t.Errorf("%d in flight while the answer goes on", n.InFlight())
		}
		open.Finish(holdfast.End{})
		for name, ends := range map[string]func(context.Context, string, int) holdfast.Result{
			"done":  func(context.Context, string, int) holdfast.Result { return good },
			"error": func(context.Context, string, int) holdfast.Result { return bad },
			"panic": func(context.Context, string, int) holdfast.Result { panic("boom") },
		} {
			func() {
				defer func() { _ = recover() }()
				newWorld(ends).call(t.Context(), h)
			}()
			if n.InFlight() != 0 {
				t.Errorf("%s: %d in flight", name, n.InFlight())
			}
		}
	})
}

func TestT83_ACancelSaysNothing(t *testing.T) {
	in(t, 2, loadbalance.NewPeakEWMA(-1), loadbalance.Options{Eject: loadbalance.EjectOptions{Row: 1}}, func(t *testing.T, s *loadbalance.Set, h holdfast.Handler) {
		w := newWorld(func(context.Context, string, int) holdfast.Result { return ignored })
		for range 100 {
			w.call(t.Context(), h)
		}
		for _, n := range s.Nodes() {
			if _, seen := n.Latency(0, time.Second); seen {
				t.Error("a cancelled call is a sample")
			}
		}
		if w.got["a"] == 0 || w.got["b"] == 0 {
			t.Errorf("ejected by cancels: %v", w.got)
		}
	})
}

// One poisonous caller does not eject healthy nodes: a 500 is no error of the
// infrastructure.
func TestWhatMayBeABugEjectsNobody(t *testing.T) {
	w := newWorld(func(context.Context, string, int) holdfast.Result { return buggy })
	in(t, 4, nil, loadbalance.Options{OnChange: func(c loadbalance.Change) { t.Errorf("%+v", c) }}, func(_ *testing.T, _ *loadbalance.Set, h holdfast.Handler) {
		w.drive(h, 500, 30*time.Second)
	})
	for code, want := range map[string]bool{"500": false, "501": false, "502": true, "503": true, "504": true, "timeout": true,
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
	o := loadbalance.Options{OnChange: func(c loadbalance.Change) {
		changes = append(changes, fmt.Sprintf("%s %s after %.0f s", c.Addr, c.What, time.Since(start).Seconds()))
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
		p := loadbalance.NewPool(loadbalance.RoundRobin, loadbalance.Options{Eject: loadbalance.EjectOptions{Share: 0.1}})
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
		"nine in ten fail":                {10, 0.9, loadbalance.EjectOptions{Row: -1, Deviations: -1}, true},
		"four in five do":                 {10, 0.8, loadbalance.EjectOptions{Row: -1, Deviations: -1}, false},
		"far from the mean":               {10, 0.5, loadbalance.EjectOptions{Row: -1, Failures: -1}, true},
		"four nodes have no such outlier": {4, 0.5, loadbalance.EjectOptions{Row: -1, Failures: -1}, false},
		"off":                             {10, 1, loadbalance.EjectOptions{Base: -1}, false},
	} {
		t.Run(name, func(t *testing.T) {
			ejected := false
			o := loadbalance.Options{Eject: c.o, OnChange: func(ch loadbalance.Change) { ejected = ejected || ch.What == "ejected" && ch.Addr == "a" }}
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

func TestChecksTakeNodesOutAndIn(t *testing.T) {
	ill := map[string]bool{}
	var mu sync.Mutex
	set := func(addr string, is bool) { mu.Lock(); ill[addr] = is; mu.Unlock() }
	asks := 0
	o := loadbalance.Options{Check: loadbalance.Checks{Ask: func(ctx context.Context, e discovery.Endpoint) error {
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

func (g *guard) Enter() (uint64, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.room == 0 {
		return 0, false
	}
	g.room--
	return 7, true
}

func (g *guard) Leave(token uint64, _ holdfast.Class, _ time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if token == 7 {
		g.room++
	}
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
			p := loadbalance.NewPool(loadbalance.Random, loadbalance.Options{Check: loadbalance.Checks{Ask: func(_ context.Context, e discovery.Endpoint) error {
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
		s := loadbalance.With(endless, nil, loadbalance.Options{Check: loadbalance.Checks{Ask: func(ctx context.Context, _ discovery.Endpoint) error { <-ctx.Done(); return ctx.Err() }}})
		w := newWorld(func(context.Context, string, int) holdfast.Result { return bad })
		w.drive(holdfast.Chain(s), 200, 2*time.Second)
		s.Close()
	})
}
