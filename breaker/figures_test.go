package breaker_test

import (
	"testing"

	"github.com/holdfast-go/holdfast"
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
			if f.Name == "table_full_total" {
				continue
			}
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

// Whoever has seen enough is told no more, of that circuit or of another one.
func TestTheCircuitsAreToldUntilSomebodyHasSeenEnough(t *testing.T) {
	b := breaker.New(breaker.Options{})
	b.Isolate("a")
	b.Isolate("b")
	for enough := 1; enough <= 11; enough++ {
		told := 0
		b.Figures(func(holdfast.Figure) bool { told++; return told < enough })
		if told != enough {
			t.Errorf("%d figures were told, and %d were enough", told, enough)
		}
	}
}
