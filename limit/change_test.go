package limit_test

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/limit"
)

// A rate for all is in no table: a full one is nothing to it, and who waits waits once.
func TestARateForAllIsInNoTable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := limit.RateOptions{PerSecond: 0.5, Burst: 1, Wait: 3 * time.Second, PerTarget: true, MaxTargets: 1}
		each := limit.NewRate(o)
		if err := each.Acquire(t.Context(), "a"); err != nil {
			t.Fatal(err)
		}
		o.PerTarget = false
		l := each.With(o)
		h := holdfast.Chain(l)
		do := func() error {
			_, err := holdfast.Do(t.Context(), h, holdfast.Call{Target: "a"}, func(context.Context) (int, error) { return 0, nil })
			return err
		}
		if !l.Ready() || do() != nil || l.Ready() {
			t.Error("it has begun without its Burst, or is not spent")
		}
		if _, ok := l.Enter(); ok {
			t.Error("there is a token for a node, and none for a call")
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		start := time.Now()
		err := do()
		took := time.Since(start)
		if runtime.ReadMemStats(&after); err != nil || took != 2*time.Second || after.Mallocs-before.Mallocs > 1000 {
			t.Errorf("%v after %v, with %d allocations", err, took, after.Mallocs-before.Mallocs)
		}
		if got := told(l); len(got) != 2 || got["rate_tokens all"] != 0 {
			t.Errorf("%v", got)
		}
		o.PerTarget = true
		if got := told(l.With(o)); got["table_full_total "] != 0 {
			t.Errorf("%v: a call was late for a rate that is one for all", got)
		}
	})
}

// When PerTarget changes, who waits does so by what is now in force, in the order in which all came;
// who comes by the one from before as well.
func TestWhoWaitsMovesWhenPerTargetChanges(t *testing.T) {
	for _, perTarget := range []bool{true, false} { // from then on
		t.Run(fmt.Sprint(perTarget), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := limit.InFlightOptions{Max: 1, Wait: time.Hour, Queue: 100, PerTarget: !perTarget}
				before := limit.NewInFlight(o)
				var hold []func()
				for _, target := range []string{"a", "b"}[:map[bool]int{true: 1, false: 2}[perTarget]] {
					hold = append(hold, enter(t, before, target))
				}
				start := time.Now()
				var mu sync.Mutex
				let := map[time.Duration]string{}
				var wg sync.WaitGroup
				come := func(who string) {
					wg.Go(func() {
						leave := enter(t, before, who[:1])
						mu.Lock()
						let[time.Since(start)] += " " + who
						mu.Unlock()
						time.Sleep(time.Second)
						leave()
					})
					synctest.Wait()
					time.Sleep(time.Millisecond)
				}
				for _, who := range []string{"a1", "b1", "a2", "b2"} {
					come(who)
				}
				start = time.Now()
				o.PerTarget = perTarget
				after := before.With(o)
				synctest.Wait()
				come("a3") // by the one from before
				wg.Wait()
				got := fmt.Sprint(let)
				for _, want := range map[bool][]string{
					true:  {"map[0s: a1 b1 1s: a2 b2 2s: a3]", "map[0s: b1 a1 1s: b2 a2 2s: a3]", "map[0s: a1 b1 1s: b2 a2 2s: a3]", "map[0s: b1 a1 1s: a2 b2 2s: a3]"},
					false: {"map[0s: a1 1s: b1 2s: a2 3s: b2 4s: a3]"},
				}[perTarget] {
					if got == want {
						got = ""
					}
				}
				if got != "" {
					t.Errorf("let in: %s", got)
				}
				for _, leave := range hold {
					leave()
				}
				for name, value := range told(after) {
					if name != "limit_max " && value != 0 {
						t.Errorf("%s: %v", name, value)
					}
				}
			})
		})
	}
}

// The same of a rate. Who would wait too long by the one that is in force now is rejected at once.
func TestWhoWaitsForATokenMovesWhenPerTargetChanges(t *testing.T) {
	for name, c := range map[string]struct {
		perTarget bool // from half a second on
		wait      time.Duration
		want      []time.Duration // when they have their tokens, or are rejected: negative; in the order in which they come
	}{
		"each":           {true, time.Hour, []time.Duration{1000 * ms, 1000 * ms, 2000 * ms, 2000 * ms}},
		"all":            {false, time.Hour, []time.Duration{1000 * ms, 2000 * ms, 3000 * ms, 4000 * ms}},
		"all, for short": {false, 2500 * ms, []time.Duration{1000 * ms, 2000 * ms, -500 * ms, -500 * ms}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := limit.RateOptions{PerSecond: 1, Burst: 1, Wait: c.wait, Queue: 100, PerTarget: c.perTarget}
				l := limit.NewRate(o)
				spend := func() {
					_ = l.Acquire(t.Context(), "a")
					if o.PerTarget {
						_ = l.Acquire(t.Context(), "b")
					}
				}
				spend()
				o.PerTarget = !c.perTarget
				l = l.With(o)
				spend()
				start := time.Now()
				var wg sync.WaitGroup
				for i, target := range []string{"a", "b", "a", "b"} {
					wg.Go(func() {
						err := l.Acquire(t.Context(), target)
						if took, want := time.Since(start), c.want[i]; took != want.Abs() || (err != nil) != (want < 0) {
							t.Errorf("number %d: %v after %v, want %v", i, err, took, want)
						}
					})
					synctest.Wait()
				}
				time.Sleep(500 * ms)
				o.PerTarget = c.perTarget
				after := l.With(o)
				wg.Wait()
				for name, value := range told(after) {
					if value > hair {
						t.Errorf("%s: %v is left", name, value)
					}
				}
			})
		})
	}
}

// Who waits among strangers for a token goes on in its target's own bucket when there is one, before those
// who come later, and for no longer than before; and gets one itself when there is room.
func TestATokenIsWaitedForWhereTheTargetsTokensAre(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := limit.NewRate(limit.RateOptions{PerSecond: 1, Burst: 2, Wait: 2500 * ms, Queue: 100, PerTarget: true, MaxTargets: 1})
		take := func(targets ...string) {
			for _, target := range targets {
				if err := l.Acquire(t.Context(), target); err != nil {
					t.Fatal(err)
				}
			}
		}
		take("early", "stranger", "stranger")
		time.Sleep(250 * ms) // early has 1.25 tokens, and is full in 750 ms
		start := time.Now()
		var wg sync.WaitGroup
		wait := func(target string, want time.Duration) {
			wg.Go(func() {
				err := l.Acquire(t.Context(), target)
				if took := time.Since(start); err != nil || took != want {
					t.Errorf("%s: %v after %v, want %v", target, err, took, want)
				}
			})
			synctest.Wait()
		}
		wait("b", 750*ms)  // where it waits
		wait("c", 1750*ms) // likewise, as the token comes that b gets: then there is room
		time.Sleep(time.Second)
		wait("c", 2750*ms) // behind the first
		wg.Wait()
		if got := told(l); got["rate_waiting c"] != 0 || got["rate_tokens c"] > hair || got["rate_tokens other"] < 1-hair {
			t.Errorf("%v", got)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		l := limit.NewRate(limit.RateOptions{PerSecond: 1, Burst: 1, Wait: 10 * time.Second, Queue: 100, PerTarget: true, MaxTargets: 1})
		for _, target := range []string{"early", "stranger"} {
			_ = l.Acquire(t.Context(), target)
		}
		var mu sync.Mutex
		var order []string
		start := time.Now()
		var wg sync.WaitGroup
		for _, who := range []string{"c", "b1", "b2", "d", "b3"} {
			wg.Go(func() {
				if err := l.Acquire(t.Context(), who[:1]); err != nil {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				order = append(order, fmt.Sprintf("%s after %v", who, time.Since(start)))
			})
			synctest.Wait()
		}
		wg.Wait()
		slices.Sort(order) // b has tokens of its own when c has had that of all, and d need not wait for it
		if got := fmt.Sprint(order); got != "[b1 after 2s b2 after 3s b3 after 4s c after 1s d after 2s]" {
			t.Errorf("served were %s", got)
		}
	})
}

// One that was off follows what With makes of it, in a chain as well.
func TestALimitThatWasOffFollowsWith(t *testing.T) {
	rate := limit.NewRate(limit.RateOptions{})
	inFlight := limit.NewInFlight(limit.InFlightOptions{Max: -1})
	h := holdfast.Chain(inFlight, rate)
	send := func() error {
		_, err := holdfast.Do(t.Context(), h, holdfast.Call{Target: "a"}, func(context.Context) (int, error) { return 0, nil })
		return err
	}
	for range 10 {
		if err := send(); err != nil {
			t.Fatal(err)
		}
	}
	on := rate.With(limit.RateOptions{PerSecond: 1e-3})
	if err := send(); err != nil || rate.Acquire(t.Context(), "a") == nil || send() == nil || rate.Ready() {
		t.Errorf("%v; or the rate that was off is so still", err)
	}
	if _, ok := rate.Enter(); ok {
		t.Error("a node finds a token")
	}
	on.With(limit.RateOptions{})
	with := inFlight.With(limit.InFlightOptions{Max: 1})
	leave := enter(t, inFlight, "a")
	if err := send(); err == nil || inFlight.Ready() {
		t.Errorf("%v; the limit that was off is so still", err)
	}
	if _, err := inFlight.Acquire(t.Context(), "a"); err == nil {
		t.Error("the limit that was off is so still")
	}
	if _, ok := inFlight.Enter(); ok {
		t.Error("a node finds a place")
	}
	with.With(limit.InFlightOptions{Max: -1})
	if err := send(); err != nil || !with.Ready() {
		t.Error(err)
	}
	leave()
}
