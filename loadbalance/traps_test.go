package loadbalance_test

import (
	"context"
	"errors"
	"math"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/discovery"
	"github.com/holdfast-go/holdfast/hedge"
	"github.com/holdfast-go/holdfast/loadbalance"
)

func TestT75_TheFirstCallWaitsAsLongAsItMay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := new(discovery.Source)
		s := loadbalance.New(source, nil, loadbalance.Options{})
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
		s := loadbalance.New(source, nil, loadbalance.Options{})
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
	var ejected []holdfast.Event
	o := loadbalance.Options{OnChange: func(_ context.Context, c holdfast.Event) { ejected = append(ejected, c) }}
	in(t, 2, loadbalance.RoundRobin, o, func(t *testing.T, _ *loadbalance.Set, h holdfast.Handler) {
		results, _ := w.drive(h, 100, 10*time.Second)
		if n := failures(results); n > 0 {
			t.Errorf("%d of %d calls failed", n, len(results))
		}
		if len(ejected) == 0 || ejected[0].Endpoint != "a" || ejected[0].To != "ejected" || w.got["a"] > 12 {
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
	in(t, 10, loadbalance.RoundRobin, loadbalance.Options{Eject: loadbalance.EjectOptions{MaxShare: 1}}, func(t *testing.T, _ *loadbalance.Set, h holdfast.Handler) {
		w.drive(h, 1000, 5*time.Second)
		w.reset()
		w.drive(h, 1000, 5*time.Second)
		if len(w.got) != 10 {
			t.Errorf("%d of 10 are used in a panic", len(w.got))
		}
	})
}

func TestT78_R16_NoNewsRemovesNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := new(discovery.Source)
		s := loadbalance.New(source, nil, loadbalance.Options{})
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
		s := loadbalance.New(source, loadbalance.RoundRobin, loadbalance.Options{SlowStart: time.Minute})
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
				s := loadbalance.New(discovery.Static(hosts(4)...), strategy, loadbalance.Options{})
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
		s := loadbalance.New(discovery.Static("a", "b", "c"), nil, loadbalance.Options{})
		defer s.Close()
		synctest.Wait()
		h := holdfast.Chain(hedge.New(hedge.Options{Delay: 10 * time.Millisecond, Share: -1, MaxHedges: 2}), s)
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
	in(t, 2, loadbalance.NewPeakEWMA(-1), loadbalance.Options{Eject: loadbalance.EjectOptions{ConsecutiveFailures: 1}}, func(t *testing.T, s *loadbalance.Set, h holdfast.Handler) {
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
