package limit_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
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
