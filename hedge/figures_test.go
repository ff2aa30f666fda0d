package hedge_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/hedge"
	"github.com/holdfast-go/holdfast/holdfasttest"
	"github.com/holdfast-go/holdfast/timeout"
)

// The delay of a target is told once enough of its calls are known.
func TestTheDelayIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hedge.New(hedge.Options{MinSamples: 2, Share: 1})
		chain := holdfast.Chain(h)
		told := func() (n int) {
			for f := range h.Figures {
				if f.Name == "table_full_total" {
					continue
				}
				if n++; f.Name != "hedge_delay_seconds" || f.Labels["target"] != "t" || f.Value != h.Stats("t").Delay.Seconds() || f.Value == 0 || f.Kind != holdfast.Most {
					t.Errorf("%+v, and %v", f, h.Stats("t").Delay)
				}
			}
			return n
		}
		for i, want := range []int{0, 1} {
			(&holdfasttest.Script{Steps: []holdfasttest.Step{{Delay: time.Second}}}).Do(t.Context(), chain, holdfast.Call{Target: "t", Repeatable: true})
			if n := told(); n != want {
				t.Errorf("%d figures after %d calls, want %d", n, i+1, want)
			}
		}
		for range (*hedge.Hedge)(nil).Figures {
			t.Error("nobody hedges")
		}
	})
}

// One that is off hedges after no time at all, whatever is known.
func TestAHedgeThatIsOffTellsNoDelay(t *testing.T) {
	h := hedge.New(hedge.Options{Delay: time.Millisecond})
	if _, err := holdfast.Do(t.Context(), holdfast.Chain(h), holdfast.Call{Target: "t", Repeatable: true}, func(context.Context) (int, error) { return 1, nil }); err != nil {
		t.Fatal(err)
	}
	for want, h := range map[int]*hedge.Hedge{2: h, 0: h.With(hedge.Options{MaxHedges: -1, Delay: time.Millisecond})} {
		n := 0
		for range h.Figures {
			n++
		}
		if n != want {
			t.Errorf("%d figures, want %d", n, want)
		}
	}
}

// What hedges nothing tells no delay: it is switched off, or calls take longer than could be seen.
func TestNoDelayIsToldWhereNothingIsHedged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, o := range map[string]hedge.Options{"off": {MaxHedges: -1, Delay: time.Second}, "beyond": {MinSamples: 1, Share: 1}} {
			h := hedge.New(hedge.Options{MinSamples: 1, Share: 1})
			chain := holdfast.Chain(timeout.New(timeout.Options{Limit: 2 * time.Second}), h)
			for range 3 {
				(&holdfasttest.Script{Steps: []holdfasttest.Step{{Delay: time.Hour}}}).Do(t.Context(), chain, holdfast.Call{Target: "t", Repeatable: true})
			}
			for f := range h.With(o).Figures {
				if f.Name != "table_full_total" {
					t.Errorf("%s: %+v", name, f)
				}
			}
			if s := h.Stats("t"); s.Calls == 0 || s.Delay != 0 {
				t.Errorf("%s: %+v", name, s)
			}
		}
	})
}
