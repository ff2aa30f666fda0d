package holdfasttest

import (
	"context"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/holdfast-go/holdfast"
)

var figureName = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)

// runFigureCheck checks what a policy tells of its own state, where it does. It runs in real time
// and outside of bubbles, where a goroutine that waits for a lock can be seen.
func runFigureCheck(t tb, policy func() holdfast.Policy) {
	t.Helper()
	if policy == nil {
		return
	}
	p := policy()
	m, ok := p.(holdfast.Measured)
	if !ok {
		closeNow(p)
		return
	}
	defer closeNow(p)
	h := holdfast.Chain(p)
	first := map[string]holdfast.Figure{}
	var wg sync.WaitGroup
	wg.Go(func() { crowd(h) })
	for range 20 {
		readFigures(t, m, first) // while calls are under way
	}
	wg.Wait()
	stops := readFigures(t, m, first)
	for stop := range stops {
		asked := 0
		m.Figures(func(holdfast.Figure) bool { asked++; return asked <= stop })
		if asked > stop+1 {
			t.Errorf("Figures goes on after yield has returned false")
			return
		}
	}
	called := make(chan struct{})
	for range m.Figures {
		go func() {
			defer close(called)
			(&Script{}).Do(context.Background(), h, holdfast.Call{Target: "another"})
			for range m.Figures {
			}
		}()
		select {
		case <-called:
		case <-time.After(patience):
			t.Errorf("a figure was told with a lock held: a call made by yield was not answered until it had returned")
		}
		break
	}
}

// readFigures returns how many figures there are, and reports those that cannot be shown: beside the
// first of its name, too, which OpenMetrics has without what says that it counts.
func readFigures(t tb, m holdfast.Measured, first map[string]holdfast.Figure) (n int) {
	t.Helper()
	for f := range m.Figures {
		n++
		stem := strings.TrimSuffix(f.Name, "_total")
		as, known := first[stem]
		if !known {
			first[stem] = f
		}
		switch labels := slices.Sorted(maps.Keys(f.Labels)); {
		case !figureName.MatchString(f.Name):
			t.Errorf("the figure %q is not named as Prometheus has it", f.Name)
		case f.Help == "":
			t.Errorf("the figure %q has no help", f.Name)
		case f.Kind > holdfast.Counter:
			t.Errorf("the figure %q is of no kind", f.Name)
		case len(labels) > 2 || slices.ContainsFunc(labels, func(l string) bool { return !figureName.MatchString(l) || l == "client" }):
			t.Errorf("the figure %q has labels that cannot be shown: %q", f.Name, labels)
		case f.Kind == holdfast.Counter && f.Value < 0:
			t.Errorf("the figure %q counts, and is below zero: %v", f.Name, f.Value)
		case known && as.Name != f.Name:
			t.Errorf("the figures %q and %q cannot be told apart", as.Name, f.Name)
		case known && (as.Kind != f.Kind || as.Help != f.Help || as.Keys != f.Keys || !slices.Equal(slices.Sorted(maps.Keys(as.Labels)), labels)):
			t.Errorf("the figure %q is not always of one kind, with one help and the same labels", f.Name)
		case f.Owner != nil && reflect.TypeOf(f.Owner).Kind() != reflect.Pointer:
			t.Errorf("the owner of the figure %q is no pointer", f.Name)
		}
	}
	return n
}
