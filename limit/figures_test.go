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
			true:  {"limit_in_flight a": 1, "limit_waiting a": 0, "limit_max ": 3},
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
			target := "all"
			if perTarget {
				target = "a"
			}
			if got, want := told(r), map[string]float64{"rate_tokens " + target: 3, "rate_waiting " + target: 0}; !maps.Equal(got, want) {
				t.Errorf("%v, want %v", got, want)
			}
		}
		for _, p := range []holdfast.Measured{(*limit.InFlight)(nil), (*limit.Rate)(nil), limit.NewRate(limit.RateOptions{})} {
			if got := told(p); len(got) != 0 {
				t.Errorf("%T: %v", p, got)
			}
		}
		if got := told(limit.NewInFlight(limit.InFlightOptions{Max: -1})); len(got) != 2 {
			t.Errorf("without a limit: %v", got)
		}
	})
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

// Limits that count apart have owners of their own, also where With has made one of the other.
func TestLimitsThatCountApartHaveTheirOwners(t *testing.T) {
	owner := func(l *limit.InFlight) (owner any) {
		for f := range l.Figures {
			if owner = f.Owner; owner != nil {
				break
			}
		}
		return owner
	}
	all := limit.NewInFlight(limit.InFlightOptions{})
	each := all.With(limit.InFlightOptions{PerTarget: true})
	release, err := each.Acquire(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	if owner(all) == owner(each) || owner(all) != owner(each.With(limit.InFlightOptions{Wait: time.Second})) || owner(each) != owner(each.With(limit.InFlightOptions{PerTarget: true})) {
		t.Error("what is told once counts apart, or the other way round")
	}
}
