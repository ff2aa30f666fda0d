package limit_test

import (
	"context"
	"maps"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/limit"
)

func told(p holdfast.Measured) map[string]float64 {
	values := map[string]float64{}
	for f := range p.Figures {
		values[f.Name+" "+f.Labels["target"]] = f.Value
	}
	return values
}

// A limit tells who is under way, of each target where it has one for each; a rate its tokens.
func TestLimitsAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for perTarget, want := range map[bool]map[string]float64{
			false: {"limit_in_flight all": 1, "limit_waiting all": 0, "limit_max ": 3},
			true:  {"limit_in_flight a": 1, "limit_waiting a": 0, "limit_max ": 3, "table_full_total ": 0},
		} {
			l := limit.NewInFlight(limit.InFlightOptions{Max: 3, PerTarget: perTarget})
			r := limit.NewRate(limit.RateOptions{PerSecond: 1, Burst: 4, PerTarget: perTarget})
			_, err := holdfast.Do(t.Context(), holdfast.Chain(l, r), holdfast.Call{Target: "a"}, func(context.Context) (int, error) {
				if got := told(l); !maps.Equal(got, want) {
					t.Errorf("%v, want %v", got, want)
				}
				return 1, nil
			})
			if err != nil {
				t.Fatal(err)
			}
			wantRate := map[string]float64{"rate_tokens all": 3, "rate_waiting all": 0}
			if perTarget {
				wantRate = map[string]float64{"rate_tokens a": 3, "rate_waiting a": 0, "table_full_total ": 0}
			}
			if got, want := told(r), wantRate; !maps.Equal(got, want) {
				t.Errorf("%v, want %v", got, want)
			}
		}
		for _, p := range []holdfast.Measured{(*limit.InFlight)(nil), (*limit.Rate)(nil), limit.NewRate(limit.RateOptions{})} {
			if got := told(p); len(got) != 0 {
				t.Errorf("%T: %v", p, got)
			}
		}
		r := limit.NewRate(limit.RateOptions{PerSecond: 1})
		_ = r.Acquire(t.Context(), "")
		if got, off := told(r), told(r.With(limit.RateOptions{PerSecond: -1})); len(got) != 2 || len(off) != 0 {
			t.Errorf("%v, and switched off %v", got, off)
		}
		if got := told(limit.NewInFlight(limit.InFlightOptions{Max: -1})); len(got) != 2 {
			t.Errorf("without a limit: %v", got)
		}
	})
}

// Who waits is told as well. Several targets together have the calls of all, the tokens of the
// scarcest and the widest limit; what With has made counts with what it was made of.
func TestWhoWaitsIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := limit.NewInFlight(limit.InFlightOptions{Max: 1, Wait: time.Minute, Queue: 10})
		r := limit.NewRate(limit.RateOptions{PerSecond: 1, Burst: 1, Wait: time.Minute, Queue: 10})
		release, _ := l.Acquire(t.Context(), "")
		_ = r.Acquire(t.Context(), "")
		for range 2 {
			go func() {
				if release, err := l.Acquire(t.Context(), ""); err == nil {
					release()
				}
			}()
			go func() { _ = r.Acquire(t.Context(), "") }()
		}
		synctest.Wait()
		for p, want := range map[holdfast.Measured]map[string]float64{
			l: {"limit_in_flight all": 1, "limit_waiting all": 2, "limit_max ": 1},
			r: {"rate_tokens all": 0, "rate_waiting all": 2},
		} {
			if got := told(p); !maps.Equal(got, want) {
				t.Errorf("%v, want %v", got, want)
			}
		}
		kinds := map[string]holdfast.FigureKind{"limit_max": holdfast.Most, "rate_tokens": holdfast.Least}
		for _, both := range [][2]holdfast.Measured{{l, l.With(limit.InFlightOptions{Max: 1, Wait: time.Minute, Queue: 10})}, {r, r.With(limit.RateOptions{PerSecond: 1, Burst: 1, Wait: time.Minute, Queue: 10})}} {
			owners := map[string]map[any]bool{}
			for _, p := range both {
				for f := range p.Figures {
					if f.Kind != kinds[f.Name] {
						t.Errorf("%+v", f)
					}
					if owners[f.Name] == nil {
						owners[f.Name] = map[any]bool{}
					}
					owners[f.Name][f.Owner] = true
				}
			}
			for name, of := range owners {
				if len(of) != 1 || of[nil] && name != "limit_max" {
					t.Errorf("%s has the owners %v", name, of)
				}
			}
		}
		release()
	})
}

// Whoever has seen enough is told no more, of that target or of another one.
func TestLimitsAreToldUntilSomebodyHasSeenEnough(t *testing.T) {
	l := limit.NewInFlight(limit.InFlightOptions{PerTarget: true})
	r := limit.NewRate(limit.RateOptions{PerSecond: 1, PerTarget: true})
	for _, target := range []string{"a", "b"} {
		release, _ := l.Acquire(t.Context(), target)
		defer release()
		_ = r.Acquire(t.Context(), target)
	}
	for p, all := range map[holdfast.Measured]int{l: 6, r: 5} {
		for enough := 1; enough <= all; enough++ {
			n := 0
			p.Figures(func(holdfast.Figure) bool { n++; return n < enough })
			if n != enough {
				t.Errorf("%T: %d figures were told, and %d were enough", p, n, enough)
			}
		}
	}
}

// What targets share that came too late for a limit of their own is told, as "other".
func TestWhatLateTargetsShareIsTold(t *testing.T) {
	l := limit.NewInFlight(limit.InFlightOptions{PerTarget: true, MaxTargets: 1})
	for _, target := range []string{"a", "b", "c"} {
		release, err := l.Acquire(t.Context(), target)
		if err != nil {
			t.Fatal(err)
		}
		defer release()
	}
	got := told(l)
	if got["limit_in_flight a"] != 1 || got["limit_in_flight other"] != 2 {
		t.Errorf("%v", got)
	}
	if a, b := l.Stats("a"), l.Stats("b"); a.InFlight != 1 || b.InFlight != 2 || l.Stats("never seen") != b {
		t.Errorf("%+v and %+v", a, b)
	}
	r := limit.NewRate(limit.RateOptions{PerSecond: 1e-3, Burst: 5, PerTarget: true, MaxTargets: 1})
	for _, target := range []string{"a", "b", "c"} {
		if err := r.Acquire(t.Context(), target); err != nil {
			t.Fatal(err)
		}
	}
	if got := told(r); got["rate_tokens a"] < 4 || got["rate_tokens other"] < 3 || got["rate_tokens other"] > 3.5 {
		t.Errorf("%v", got)
	}
}

// Limits of which With has made one from the other have one owner, with PerTarget and without, since one
// of these is in force for both. What is under way since before is told until it is over.
func TestLimitsThatAreOneHaveOneOwner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		owner := func(l *limit.InFlight) (owner any) {
			for f := range l.Figures {
				if owner = f.Owner; owner != nil {
					break
				}
			}
			return owner
		}
		l := limit.NewInFlight(limit.InFlightOptions{Max: 5})
		leave := enter(t, l, "a")
		each := l.With(limit.InFlightOptions{Max: 6, PerTarget: true})
		leaveEach := enter(t, each, "a")
		want := map[string]float64{"limit_in_flight all": 1, "limit_waiting all": 0, "limit_in_flight a": 1, "limit_waiting a": 0, "limit_max ": 6, "table_full_total ": 0}
		if a, b := told(l), told(each); !maps.Equal(a, want) || !maps.Equal(b, want) || owner(l) != owner(each) {
			t.Errorf("%v and %v, want %v", a, b, want)
		}
		leave()
		if got := told(l); got["limit_in_flight all"] != 0 || len(got) != 4 {
			t.Errorf("%v", got)
		}
		l = each.With(limit.InFlightOptions{Max: 5})
		if got := told(l); got["limit_in_flight a"] != 1 || got["limit_in_flight all"] != 0 || len(got) != 5 {
			t.Errorf("%v", got)
		}
		leaveEach()
		if got := told(l); len(got) != 3 {
			t.Errorf("%v", got)
		}
		if owner(l) == owner(limit.NewInFlight(limit.InFlightOptions{})) {
			t.Error("two that count apart have one owner")
		}
	})
}
