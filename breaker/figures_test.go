package breaker_test

import (
	"context"
	"errors"
	"maps"
	"slices"
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
	for enough := 1; enough <= 10; enough++ {
		told := 0
		b.Figures(func(holdfast.Figure) bool { told++; return told < enough })
		if told != enough {
			t.Errorf("%d figures were told, and %d were enough", told, enough)
		}
	}
}

// The circuit that late keys share is told, by its figures, its events and whoever asks for the
// state of one of them.
func TestTheCircuitThatLateKeysShareIsTold(t *testing.T) {
	var told []string
	b := breaker.New(breaker.Options{MaxKeys: 1, OnChange: func(_ context.Context, e holdfast.Event) { told = append(told, e.Target+" "+e.To) }})
	b.Isolate("a")
	if s := b.State("b"); s != breaker.Closed {
		t.Errorf("a key that has no circuit: %v", s)
	}
	b.Isolate("b")
	values := map[string]float64{}
	for f := range b.Figures {
		values[f.Name+" "+f.Labels["target"]+" "+f.Labels["state"]] = f.Value
	}
	states := map[string]breaker.State{}
	b.Each(func(key string, s breaker.Status) bool { states[key] = s.State; return true })
	if want := map[string]breaker.State{"a": breaker.Isolated, "other": breaker.Isolated}; !maps.Equal(states, want) {
		t.Errorf("%v, want %v", states, want)
	}
	if values["circuits other isolated"] != 1 || values["circuits other closed"] != 0 || b.State("b") != breaker.Isolated || b.State("c") != breaker.Isolated {
		t.Errorf("%v; b is %v and c %v", values, b.State("b"), b.State("c"))
	}
	if want := []string{"a isolated", "other isolated"}; !slices.Equal(told, want) {
		t.Errorf("%q, want %q", told, want)
	}
	_, err := holdfast.Do(t.Context(), holdfast.Chain(b), holdfast.Call{Target: "d"}, func(context.Context) (int, error) { return 0, nil })
	if open := new(breaker.OpenError); !errors.As(err, &open) || open.Target != "other" {
		t.Errorf("%v", err)
	}
	b.Reset("a")
	if s := b.State("e"); s != breaker.Closed {
		t.Errorf("there is room for a key that has no circuit, and it is %v", s)
	}
}
