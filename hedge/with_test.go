package hedge_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/hedge"
	"github.com/holdfast-go/holdfast/retry"
)

// Window and MaxTargets are changed live, and what is known of the times stays.
func TestWithChangesWindowAndTargets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		took := 10 * time.Millisecond
		call := func(h *hedge.Hedge, target string) {
			_, err := holdfast.Do(t.Context(), holdfast.Chain(h), holdfast.Call{Target: target, Repeatable: true}, func(context.Context) (int, error) {
				time.Sleep(took)
				return 1, nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		h := hedge.New(hedge.Options{MinSamples: 10})
		for range 20 {
			call(h, "t")
		}
		o := hedge.Options{MinSamples: 10, Window: 10 * time.Minute, MaxTargets: 7}
		with := h.With(o)
		if got := with.Options(); got.Window != o.Window || got.MaxTargets != 7 {
			t.Errorf("in force: %+v", got)
		}
		known := func(target string) bool { return with.Stats(target).Delay > 0 }
		if !known("t") {
			t.Error("the times of t are forgotten")
		}
		time.Sleep(4 * time.Minute)
		if !known("t") {
			t.Error("the times of t are forgotten within the window")
		}
		for range 20 {
			call(with, "new")
		}
		time.Sleep(4 * time.Minute)
		if !known("new") {
			t.Error("a target that is new has the window from before")
		}
		for i := range 20 {
			call(with, fmt.Sprint(i))
		}
		n := 0
		for i := range 20 {
			if with.Stats(fmt.Sprint(i)).Calls > 0 {
				n++
			}
		}
		if n > 7 {
			t.Errorf("%d targets are kept", n)
		}
		time.Sleep(10 * time.Minute)
		if known("t") || known("new") {
			t.Error("what is too old is known")
		}
	})
}

// One that sends no hedges is none, for the order of policies and for the limits further in.
func TestAHedgeThatIsOffIsNone(t *testing.T) {
	for _, c := range []struct {
		h    *hedge.Hedge
		want bool
	}{{nil, false}, {new(hedge.Hedge), false}, {hedge.New(hedge.Options{MaxHedges: -1}), false}, {hedge.New(hedge.Options{}), true}} {
		if got := c.h.Traits(); got.Hedges != c.want || got.Attempts() != c.want {
			t.Errorf("%+v, want hedges: %v", got, c.want)
		}
	}
}

// What With changes is in force for the next call, whoever has the Hedge from before; what was learnt
// and counted stays, and calls under way keep what they began with.
func TestWithMovesEveryOption(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told []string
		tell := func(who string) func(context.Context, holdfast.Event) {
			return func(_ context.Context, e holdfast.Event) { told = append(told, who+" "+e.Kind+" "+e.Reason) }
		}
		none, some := retry.NewBudget(retry.BudgetOptions{Min: -1}), retry.NewBudget(retry.BudgetOptions{})
		learnt := func() *hedge.Hedge {
			h := hedge.New(hedge.Options{MinSamples: 10, Quantile: 0.5, Share: 1, MinAttempt: -1, OnHedge: tell("first")})
			for i := range 20 { // half of them take 10 ms, the others up to a second
				_, _, _ = do(t, get, holdfast.Chain(h.With(hedge.Options{Delay: time.Hour})), attempt{time.Duration(10+i/10*i*52) * time.Millisecond, nil})
			}
			return h
		}
		slow := func(h *hedge.Hedge, o hedge.Options, leave time.Duration) (by int) {
			ctx, cancel := context.WithTimeout(t.Context(), leave)
			defer cancel()
			with := h.With(o)
			by, _ = holdfast.Do(ctx, holdfast.Chain(with), get, func(ctx context.Context) (int, error) {
				if call := holdfast.CallFrom(ctx); call.Hedge {
					return call.Attempt, nil
				}
				<-ctx.Done()
				return 1, context.Cause(ctx)
			})
			return by
		}
		base := hedge.Options{MinSamples: 10, Quantile: 0.5, Share: 1, MinAttempt: -1, OnHedge: tell("then")}
		change := func(f func(*hedge.Options)) hedge.Options { o := base; f(&o); return o }
		for name, c := range map[string]struct {
			o    hedge.Options
			want int // the attempt that answers within 100 ms; 1: none does
			says string
		}{
			"as it was":   {base, 2, "then hedge "},
			"quantile":    {change(func(o *hedge.Options) { o.Quantile = 0.95 }), 0, ""},
			"delay":       {change(func(o *hedge.Options) { o.Delay = time.Hour }), 0, ""},
			"least delay": {change(func(o *hedge.Options) { o.MinDelay = time.Hour }), 0, ""},
			"samples":     {change(func(o *hedge.Options) { o.MinSamples = 1000 }), 0, ""},
			"share":       {change(func(o *hedge.Options) { o.Share = 1e-9 }), 0, "then hedge_denied share"},
			"no hedges":   {change(func(o *hedge.Options) { o.MaxHedges = -1 }), 0, ""},
			"least time":  {change(func(o *hedge.Options) { o.MinAttempt = 99 * time.Millisecond }), 0, ""},
			"no budget":   {change(func(o *hedge.Options) { o.Budget = none }), 0, "then hedge_denied budget"},
			"a budget":    {change(func(o *hedge.Options) { o.Budget = some }), 2, "then hedge "},
			"no callback": {change(func(o *hedge.Options) { o.OnHedge = nil }), 2, ""},
		} {
			h := learnt()
			told = nil
			got := slow(h, c.o, 100*time.Millisecond)
			if says := strings.Join(told, ", "); got != c.want || says != c.says {
				t.Errorf("%s: attempt %d answers, want %d; told %q, want %q", name, got, c.want, says, c.says)
			}
			hedges, calls := uint64(c.want/2), uint64(21)
			if c.o.MaxHedges < 0 { // it sees no calls
				calls = 20
			}
			if s := h.Stats("t"); s.Calls != calls || s.Hedges != hedges || s.Won != hedges {
				t.Errorf("%s: the figures from before and after are %+v", name, s)
			}
		}
	})
}

// One Hedge is changed from everywhere at once, under calls: all targets, those that come meanwhile too, go by
// the latest Window in the end.
func TestHedgesAreChangedAtOnce(t *testing.T) {
	h := hedge.New(hedge.Options{MinSamples: 1})
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() {
			mine := h
			for i := range 50 {
				mine = mine.With(hedge.Options{MinSamples: 1, Delay: time.Microsecond, MinDelay: -1, Share: -1, Window: time.Duration(1+i%5) * time.Minute, MaxTargets: 1 + (i+worker)%8})
				c := get
				c.Target = fmt.Sprint(i % 12)
				if _, err := holdfast.Do(context.Background(), holdfast.Chain(mine), c, func(context.Context) (int, error) { return 1, nil }); err != nil {
					t.Error(err)
				}
				for range mine.Figures {
				}
				mine.Stats(c.Target)
			}
		})
	}
	wg.Wait()
	last := h.With(hedge.Options{MinSamples: 1, MaxTargets: 100, Window: 7 * time.Minute})
	if o := last.Options(); o.Window != 7*time.Minute || o.MaxTargets != 100 {
		t.Errorf("in force: %+v", o)
	}
}
