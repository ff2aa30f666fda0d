package breaker_test

import (
	"testing"

	"github.com/holdfast-go/holdfast/breaker"
)

// Each circuit is in one state, and its keys are no targets.
func TestTheCircuitsAreTold(t *testing.T) {
	b := breaker.New(breaker.Options{})
	b.Isolate("a")
	with := b.With(breaker.Options{})
	owners, values := map[any]bool{}, map[string]float64{}
	for _, p := range []*breaker.Breaker{b, with, nil} {
		for f := range p.Figures {
			owners[f.Owner] = true
			values[f.Name+" "+f.Labels["target"]+" "+f.Labels["state"]] = f.Value
			if f.Keys != "circuit" {
				t.Errorf("%+v", f)
			}
		}
	}
	if len(owners) != 1 || len(values) != 5 || values["circuits a isolated"] != 1 || values["circuits a closed"]+values["circuits a open"]+values["circuits a half-open"] != 0 || values["circuit_rejected_total a "] != 0 {
		t.Errorf("%v, %d owners", values, len(owners))
	}
}
