package prometheus_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
	holdprom "github.com/holdfast-go/holdfast/observe/prometheus"
	"github.com/holdfast-go/holdfast/retry"
)

// A counter of several does not fall when one of them is forgotten, and goes on to grow with those
// that are left.
func TestCountersDoNotFall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, r := registered(t, holdprom.Options{MaxTargets: 1})
		b := retry.NewBudget(retry.BudgetOptions{MaxTargets: 3, Window: 10 * time.Millisecond})
		m.Watch("c", retry.New(retry.Options{Budget: b}))
		for _, target := range []string{"a", "b", "c"} {
			for range 5 {
				b.Withdraw(target)
			}
			scraped(t, r)
		}
		other := func() float64 { return scraped(t, r)["retry_budget_withdrawn_total{client=c,target=other}"] }
		if got := other(); got != 10 {
			t.Errorf("%v, want 10", got)
		}
		time.Sleep(200 * time.Millisecond)
		b.Deposit("c")
		b.Deposit("a")
		b.Withdraw("d") // takes the place of b
		for range 2 {
			if got := other(); got != 11 {
				t.Errorf("%v, want 11", got)
			}
		}
	})
}

func counter(tenant string, v float64, owner any) holdfast.Figure {
	return holdfast.Figure{Name: "made_total", Kind: holdfast.Counter, Labels: map[string]string{"tenant": tenant}, Value: v, Owner: owner}
}

// What begins anew, is closed, or panics, takes nothing away, and is not counted twice.
func TestWhatACounterIsMadeOf(t *testing.T) {
	m, r := registered(t, holdprom.Options{})
	a, b := &gauged{figures: []holdfast.Figure{counter("x", 10, nil)}}, &gauged{figures: []holdfast.Figure{counter("x", 5, nil)}}
	bad := &switched{gauged: gauged{figures: []holdfast.Figure{counter("x", 100, nil), counter("z", 7, nil)}}}
	m.Watch("c", a, bad)
	closed := m.Pools("c")(b)
	want := func(x, z float64) {
		t.Helper()
		got := scraped(t, r)
		if v, there := got["made_total{client=c,tenant=z}"]; got["made_total{client=c,tenant=x}"] != x || there != (z != 0) || v != z {
			t.Errorf("%v, want %v and %v", got, x, z)
		}
	}
	want(115, 7)
	a.figures[0].Value = 3 // begins anew
	want(118, 7)
	a.figures[0].Value = 4
	want(119, 7)
	closed()
	want(119, 7)
	bad.panics = true
	want(119, 0)
	a.figures[0].Value = 5
	want(120, 0)
	bad.panics = false
	want(120, 7)
	bad.figures[1].Value = 2
	want(120, 9)
	bad.panics = true
	want(120, 0)
	bad.panics = false
	want(120, 9)
}

type switched struct {
	gauged
	panics bool
}

func (s *switched) Figures(yield func(holdfast.Figure) bool) {
	if s.panics {
		panic("mine")
	}
	s.gauged.Figures(yield)
}
