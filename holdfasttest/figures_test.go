package holdfasttest_test

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/holdfasttest"
)

// telling is a policy that does nothing but tell figures.
type telling func(yield func(holdfast.Figure) bool)

func (telling) Wrap(next holdfast.Handler) holdfast.Handler { return next }
func (f telling) Figures(yield func(holdfast.Figure) bool)  { f(yield) }

func figures(list ...holdfast.Figure) telling {
	return func(yield func(holdfast.Figure) bool) {
		for _, f := range list {
			if !yield(f) {
				return
			}
		}
	}
}

// locked holds its lock while it tells, and in each call.
type locked struct{ mu sync.Mutex }

func (l *locked) Wrap(next holdfast.Handler) holdfast.Handler {
	l.mu.Lock()
	defer l.mu.Unlock()
	return next
}

func (l *locked) Figures(yield func(holdfast.Figure) bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	yield(holdfast.Figure{Name: "a", Help: "a"})
}

// changing has another label each time that it is asked.
func changing(f holdfast.Figure) telling {
	var n atomic.Int64
	return func(yield func(holdfast.Figure) bool) {
		now := f
		now.Labels = map[string]string{fmt.Sprint("label_", n.Add(1)): "v"}
		yield(now)
	}
}

func TestFiguresThatCannotBeShownAreCaught(t *testing.T) {
	holdfasttest.Hurry(t)
	labels := func(names ...string) map[string]string {
		l := map[string]string{}
		for _, n := range names {
			l[n] = "v"
		}
		return l
	}
	good := holdfast.Figure{Name: "tenant_calls", Help: "Calls.", Labels: labels("tenant")}
	with := func(change func(f *holdfast.Figure)) telling {
		f := good
		change(&f)
		return figures(good, f)
	}
	for name, c := range map[string]struct {
		policy holdfast.Policy
		caught string
	}{
		"good":          {figures(good, good, holdfast.Figure{Name: "calls_total", Help: "Calls.", Kind: holdfast.Counter, Owner: new(int)}), ""},
		"tells nothing": {holdfast.PolicyFunc(nil), ""},
		"a name":        {with(func(f *holdfast.Figure) { f.Name = "Tenant calls" }), "named"},
		"no help":       {with(func(f *holdfast.Figure) { f.Help = "" }), "no help"},
		"a kind":        {with(func(f *holdfast.Figure) { f.Name, f.Kind = "odd", 9 }), "no kind"},
		"three labels":  {with(func(f *holdfast.Figure) { f.Name, f.Labels = "odd", labels("a", "b", "c") }), "cannot be shown"},
		"a label":       {with(func(f *holdfast.Figure) { f.Name, f.Labels = "odd", labels("A") }), "cannot be shown"},
		"the client":    {with(func(f *holdfast.Figure) { f.Name, f.Labels = "odd", labels("client") }), "cannot be shown"},
		"other labels":  {with(func(f *holdfast.Figure) { f.Labels = labels("target") }), "same labels"},
		"another kind":  {with(func(f *holdfast.Figure) { f.Kind = holdfast.Most }), "one kind"},
		"an owner":      {with(func(f *holdfast.Figure) { f.Owner = "me" }), "no pointer"},
		"a stem":        {with(func(f *holdfast.Figure) { f.Name, f.Kind = "tenant_calls_total", holdfast.Counter }), "cannot be told apart"},
		"below zero":    {with(func(f *holdfast.Figure) { f.Name, f.Kind, f.Value = "odd_total", holdfast.Counter, -1 }), "below zero"},
		"changes":       {changing(good), "same labels"},
		"goes on":       {telling(func(yield func(holdfast.Figure) bool) { yield(good); yield(good); yield(good) }), "goes on"},
		"with a lock":   {new(locked), "lock held"},
	} {
		t.Run(name, func(t *testing.T) {
			r := new(recorder)
			holdfasttest.CheckFigures(r, func() holdfast.Policy { return c.policy })
			if got := r.String(); c.caught == "" && got != "" || !strings.Contains(got, c.caught) {
				t.Errorf("want %q, it said %q", c.caught, got)
			}
		})
	}
}
