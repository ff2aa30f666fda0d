package limit_test

import (
	"context"
	"maps"
	"testing"
	"testing/synctest"

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
