package limit_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/limit"
)

// enter has a call to target be under way.
func enter(t *testing.T, l *limit.InFlight, target string) (leave func()) {
	t.Helper()
	leave, err := l.Acquire(t.Context(), target)
	if err != nil {
		t.Fatalf("%s: %v", target, err)
	}
	return leave
}

// A late target whose calls are under way in what such targets share stays with it until they are
// over: there is never a limit's worth there and another one in a room of its own.
func TestALimitHoldsWhenATargetMoves(t *testing.T) {
	for name, makeRoom := range map[string]func(l *limit.InFlight, leave func()) *limit.InFlight{
		"another one is idle": func(l *limit.InFlight, leave func()) *limit.InFlight { leave(); return l },
		"MaxTargets is raised": func(l *limit.InFlight, _ func()) *limit.InFlight {
			o := l.Options()
			o.MaxTargets = 9
			return l.With(o)
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := limit.NewInFlight(limit.InFlightOptions{Max: 2, PerTarget: true, MaxTargets: 1})
			first := enter(t, l, "early")
			one, two := enter(t, l, "late"), enter(t, l, "late")
			l = makeRoom(l, first)
			if _, err := l.Acquire(t.Context(), "late"); !errors.Is(err, limit.ErrLimited) {
				t.Errorf("two calls are under way, and a third: %v", err)
			}
			one()
			three := enter(t, l, "late")
			if _, err := l.Acquire(t.Context(), "late"); !errors.Is(err, limit.ErrLimited) {
				t.Errorf("two other calls are under way, and a third: %v", err)
			}
			three()
			two()
			defer enter(t, l, "late")()
			if got := told(l)["limit_in_flight late"]; got != 1 {
				t.Errorf("nothing was under way, and there is no room of its own: %v", told(l))
			}
		})
	}
}

// The same through Wrap, where the answer is read later, and with calls that panic.
func TestALateTargetIsFreeWhenItsCallsAreOver(t *testing.T) {
	l := limit.NewInFlight(limit.InFlightOptions{Max: 2, PerTarget: true, MaxTargets: 1})
	h := holdfast.Chain(l)
	first := enter(t, l, "early")
	for name, end := range map[string]func(){"answer": func() {}, "panic": func() { panic("boom") }, "goexit": runtime.Goexit} {
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				defer func() { _ = recover() }()
				_, _ = holdfast.Do(t.Context(), h, holdfast.Call{Target: "late"}, func(context.Context) (int, error) {
					if got := told(l)["limit_in_flight other"]; got < 1 {
						t.Errorf("%s: %v", name, told(l))
					}
					end()
					return 1, nil
				})
			})
			wg.Wait()
		}
		if s := l.Stats("late"); s.InFlight != 0 || s.Rejected != 0 {
			t.Errorf("%s: %+v", name, s)
		}
	}
	first()
	defer enter(t, l, "late")()
	if got := told(l)["limit_in_flight late"]; got != 1 {
		t.Errorf("%v", told(l))
	}
}

// Who waits in what late targets share waits for strangers. When MaxTargets is raised it goes into
// a room of its own, but where calls of its own target are under way; who stays keeps its turn.
func TestWaitersOfLateTargetsMoveWhenThereIsRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := limit.InFlightOptions{Max: 1, Wait: time.Hour, PerTarget: true, MaxTargets: 1, Queue: 10}
		l := limit.NewInFlight(o)
		defer enter(t, l, "early")()
		busy := enter(t, l, "busy")
		var mu sync.Mutex
		var let []string
		var wg sync.WaitGroup
		for _, who := range []string{"busy 1", "b", "busy 2", "c", "busy 3"} {
			wg.Go(func() {
				target, _, _ := strings.Cut(who, " ")
				leave := enter(t, l, target)
				mu.Lock()
				let = append(let, who)
				mu.Unlock()
				time.Sleep(time.Second)
				leave()
			})
			synctest.Wait()
		}
		o.MaxTargets = 10
		l.With(o)
		synctest.Wait()
		slices.Sort(let)
		if want := []string{"b", "c"}; !slices.Equal(let, want) {
			t.Errorf("%q are let in, want %q", let, want)
		}
		time.Sleep(10 * time.Second)
		let = nil
		busy()
		wg.Wait()
		if want := []string{"busy 1", "busy 2", "busy 3"}; !slices.Equal(let, want) {
			t.Errorf("%q are let in, want %q", let, want)
		}
	})
}

// Who waits in what late targets share gets a room of its own as soon as another target has made room,
// in turn with those who wait for the same target; and so it does where that has got one otherwise.
func TestAWaiterGetsARoomOfItsOwnWhenThereIsOne(t *testing.T) {
	const long = "a target with a name that is longer than what is kept of it, and of which a hash is kept" // many times
	for name, target := range map[string]string{"a target": "b", "a long one": strings.Repeat(long, 10)} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := limit.NewInFlight(limit.InFlightOptions{Max: 1, Wait: 10 * time.Second, Queue: 100, PerTarget: true, MaxTargets: 1})
				early := enter(t, l, "early")
				defer enter(t, l, "stream")() // among the late ones, for good
				start := time.Now()
				var wg sync.WaitGroup
				for i := range 4 {
					wg.Go(func() {
						if i == 3 {
							time.Sleep(1500 * ms) // comes when its target has a room of its own
						}
						leave := enter(t, l, target)
						if took, want := time.Since(start), time.Duration(1+i)*time.Second; took != want {
							t.Errorf("the %d-th is let in after %v, want %v", i, took, want)
						}
						time.Sleep(time.Second)
						leave()
					})
					synctest.Wait()
				}
				time.Sleep(time.Second)
				early()
				wg.Wait()
				if got := told(l); got["table_full_total "] != 4 || got["limit_waiting other"] != 0 {
					t.Errorf("%v, want one late stream and three late calls", got)
				}
			})
		})
	}
}

// However many targets there are: the one that has made room is found.
func TestAWaiterFindsTheRoomThatWasMade(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const targets = 200
		l := limit.NewInFlight(limit.InFlightOptions{Max: 1, Wait: time.Hour, Queue: 1000, PerTarget: true, MaxTargets: targets})
		var leaves []func()
		for i := range targets {
			leaves = append(leaves, enter(t, l, fmt.Sprint(i)))
		}
		defer enter(t, l, "stream")()
		var let atomic.Int64
		var wg sync.WaitGroup
		for i := range targets {
			wg.Go(func() {
				_ = enter(t, l, fmt.Sprint("late ", i)) // stays
				let.Add(1)
			})
		}
		for i := range targets {
			leaves[i*77%targets]()
			if synctest.Wait(); let.Load() != int64(i+1) {
				t.Fatalf("%d are let in, and %d have left", let.Load(), i+1)
			}
		}
		wg.Wait()
	})
}

// A target that has calls under way among strangers gets no room of its own; those behind it do.
func TestATargetInUseAmongStrangersMakesRoomForThoseBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := limit.NewInFlight(limit.InFlightOptions{Max: 2, Wait: time.Hour, Queue: 10, PerTarget: true, MaxTargets: 2})
		early, other := enter(t, l, "early"), enter(t, l, "other")
		busy := enter(t, l, "busy")
		defer enter(t, l, "stream")()
		var mu sync.Mutex
		var let []string
		var wg sync.WaitGroup
		for _, who := range []string{"stream", "busy", "late"} {
			wg.Go(func() {
				leave := enter(t, l, who)
				mu.Lock()
				let = append(let, who)
				mu.Unlock()
				time.Sleep(time.Second)
				leave()
			})
			synctest.Wait()
		}
		early()
		if synctest.Wait(); !slices.Equal(let, []string{"late"}) {
			t.Errorf("%q are let in", let)
		}
		other() // and nobody can have that room yet
		if synctest.Wait(); len(let) != 1 {
			t.Errorf("%q are let in", let)
		}
		busy() // lets in the stream's second call; busy has nothing there any more
		if synctest.Wait(); !slices.Equal(let, []string{"late", "stream", "busy"}) && !slices.Equal(let, []string{"late", "busy", "stream"}) {
			t.Errorf("%q are let in", let)
		}
		wg.Wait()
		if got := told(l); got["limit_in_flight other"] != 1 || got["limit_waiting other"] != 0 {
			t.Errorf("%v", got)
		}
	})
}

// Calls to more targets than have rooms come and go at once, and wait: none is beyond the limit of its
// target, and none is left waiting.
func TestLateTargetsAtOnce(t *testing.T) {
	const most, targets = 2, 6
	l := limit.NewInFlight(limit.InFlightOptions{Max: most, Wait: time.Hour, Queue: 1000, PerTarget: true, MaxTargets: 3})
	var inside [targets]atomic.Int64
	var wg sync.WaitGroup
	for worker := range 24 {
		wg.Go(func() {
			for i := range 2000 {
				n := (worker + i*i) % targets
				leave, err := l.Acquire(t.Context(), fmt.Sprint(n))
				if err != nil {
					t.Error(err)
					return
				}
				if got := inside[n].Add(1); got > most {
					t.Errorf("%d calls to one target are under way", got)
				}
				if i%8 == 0 {
					runtime.Gosched()
				}
				inside[n].Add(-1)
				leave()
			}
		})
	}
	wg.Wait()
	for name, value := range told(l) {
		if value != 0 && (strings.HasPrefix(name, "limit_in_flight") || strings.HasPrefix(name, "limit_waiting")) {
			t.Errorf("%s: %v", name, value)
		}
	}
}

// A target that moves to a bucket of its own has as many tokens there as in the shared one, and no
// Burst once more.
func TestARateHoldsWhenATargetMoves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := limit.RateOptions{PerSecond: 1, Burst: 10, PerTarget: true, MaxTargets: 1}
		l := limit.NewRate(o)
		take := func(target string, n int) (got int) {
			for range n {
				if l.Acquire(t.Context(), target) == nil {
					got++
				}
			}
			return got
		}
		if take("early", 1) != 1 || take("late", 7) != 7 {
			t.Fatal("no tokens")
		}
		time.Sleep(2500 * ms) // the early one is full again, 5.5 are left for the late one
		if got := take("late", 100); got != 5 {
			t.Errorf("%d tokens, want the 5 that are left", got)
		}
		time.Sleep(2500 * ms)
		if got := told(l)["rate_tokens late"]; got != 3 {
			t.Errorf("%v tokens, want 3: it has half a one, and two and a half since", told(l))
		}
		if got := take("late", 100); got != 3 {
			t.Errorf("%d tokens, want 3", got)
		}
	})
}

// Who waits for a token of the shared bucket goes on in its own when MaxTargets is raised.
func TestRateWaitersOfLateTargetsMoveWhenThereIsRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := limit.RateOptions{PerSecond: 1, Burst: 1, Wait: 10 * time.Second, PerTarget: true, MaxTargets: 1}
		l := limit.NewRate(o)
		_ = l.Acquire(t.Context(), "early")
		_ = l.Acquire(t.Context(), "late")
		start := time.Now()
		var wg sync.WaitGroup
		for i := range 5 {
			wg.Go(func() {
				err := l.Acquire(t.Context(), fmt.Sprint("late", i))
				if took := time.Since(start); err != nil || took > 1500*ms {
					t.Errorf("%d: %v after %v; it need not wait for the others", i, err, took)
				}
			})
			synctest.Wait()
		}
		time.Sleep(500 * ms)
		o.MaxTargets = 10
		l.With(o)
		wg.Wait()
		if got := told(l)["rate_waiting other"]; got != 0 {
			t.Errorf("%v wait still", got)
		}
	})
}

// Targets that find no room are counted, and told of: the first time, and when they have doubled.
func TestAFullTableIsTold(t *testing.T) {
	for name, p := range map[string]interface {
		holdfast.Policy
		holdfast.Measured
	}{
		"limit": limit.NewInFlight(limit.InFlightOptions{PerTarget: true, MaxTargets: 1}),
		"rate":  limit.NewRate(limit.RateOptions{PerSecond: 0.001, Burst: 1000, PerTarget: true, MaxTargets: 1}),
	} {
		var told []holdfast.Event
		l := holdfast.NewListener(func(_ context.Context, e holdfast.Event) { told = append(told, e) })
		h := holdfast.Chain(holdfast.PolicyFunc(func(next holdfast.Handler) holdfast.Handler {
			return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
				call.Record.Listen(l)
				return next(ctx, call)
			}
		}), p)
		send := func(target string, f func()) {
			if _, err := holdfast.Do(t.Context(), h, holdfast.Call{Target: target}, func(context.Context) (int, error) { f(); return 1, nil }); err != nil {
				t.Error(err)
			}
		}
		send("early", func() {
			for i := range 100 {
				send(fmt.Sprint("late", i), func() {})
			}
		})
		late := 0.0
		for f := range p.Figures {
			if f.Name == "table_full_total" {
				late += f.Value
			}
			if f.Name == "table_full_total" && (f.Labels["policy"] != name || f.Kind != holdfast.Counter || f.Owner == nil) {
				t.Errorf("%+v", f)
			}
		}
		if late != 100 {
			t.Errorf("%s: %v were counted, want 100", name, late)
		}
		if len(told) != 7 || told[0].Kind != "table_full" || told[0].Policy != name || told[0].Target != "late0" || told[0].Reason != "max_targets" || !strings.Contains(told[6].Detail, "64") {
			t.Errorf("%s: %+v", name, told)
		}
	}
}

// A listener that panics as it is told of a full table keeps nothing.
func TestAListenerThatPanicsKeepsNoPlace(t *testing.T) {
	l := limit.NewInFlight(limit.InFlightOptions{PerTarget: true, MaxTargets: 1})
	defer enter(t, l, "early")()
	bad := holdfast.NewListener(func(context.Context, holdfast.Event) { panic("boom") })
	h := l.Wrap(func(context.Context, *holdfast.Call) holdfast.Result { return holdfast.Result{} })
	func() {
		defer func() {
			if recover() == nil {
				t.Error("it was not told")
			}
		}()
		call := &holdfast.Call{Target: "late", Record: new(holdfast.Record)}
		call.Record.Listen(bad)
		h(t.Context(), call)
	}()
	if got := told(l)["limit_in_flight other"]; got != 0 {
		t.Errorf("%v", told(l))
	}
}

// A call within a call shares the place that late targets have, whichever of them it is for.
func TestLateTargetsShareAPlaceWithinACall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := limit.NewInFlight(limit.InFlightOptions{Max: 1, Wait: time.Hour, PerTarget: true, MaxTargets: 1})
		h := holdfast.Chain(l)
		early := enter(t, l, "early")
		start := time.Now()
		_, err := holdfast.Do(t.Context(), h, holdfast.Call{Target: "b"}, func(ctx context.Context) (int, error) {
			return holdfast.Do(ctx, h, holdfast.Call{Target: "c"}, func(context.Context) (int, error) { return 1, nil })
		})
		if err != nil || time.Since(start) != 0 {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		early()
		if got := told(l)["limit_in_flight other"]; got != 0 {
			t.Errorf("%v", told(l))
		}
	})
}
