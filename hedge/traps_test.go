package hedge_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/hedge"
	"github.com/holdfast-go/holdfast/holdfasttest"
	"github.com/holdfast-go/holdfast/retry"
)

const delay = 10 * time.Millisecond

var errDown = errors.New("down")

// an attempt takes so long, and ends so.
type attempt struct {
	takes time.Duration
	err   error
}

// do makes one call whose attempts are as given, the first one first.
func do(t *testing.T, call holdfast.Call, h holdfast.Handler, attempts ...attempt) (n int, took time.Duration, err error) {
	t.Helper()
	start := time.Now()
	n, err = holdfast.Do(t.Context(), h, call, func(ctx context.Context) (int, error) {
		i := holdfast.CallFrom(ctx).Attempt
		timer := time.NewTimer(attempts[i-1].takes)
		defer timer.Stop()
		select {
		case <-timer.C:
			return i, attempts[i-1].err
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		}
	})
	return n, time.Since(start), err
}

var get = holdfast.Call{Target: "t", Method: "get", Repeatable: true}

func fixed(o hedge.Options) *hedge.Hedge {
	o.Delay, o.Share = delay, -1
	return hedge.New(o)
}

func TestT58_AFailureNeverBeatsWhatMaySucceed(t *testing.T) {
	for name, c := range map[string]struct {
		attempts []attempt
		want     int
		err      error
		took     time.Duration
	}{
		"the hedge fails, the first succeeds":   {[]attempt{{100 * time.Millisecond, nil}, {5 * time.Millisecond, errDown}}, 1, nil, 100 * time.Millisecond},
		"the first fails, the hedge succeeds":   {[]attempt{{20 * time.Millisecond, errDown}, {50 * time.Millisecond, nil}}, 2, nil, 60 * time.Millisecond},
		"both fail":                             {[]attempt{{20 * time.Millisecond, errDown}, {50 * time.Millisecond, errDown}}, 0, errDown, 60 * time.Millisecond},
		"the first fails before it is hedged":   {[]attempt{{5 * time.Millisecond, errDown}, {0, nil}}, 0, errDown, 5 * time.Millisecond},
		"the hedge is faster":                   {[]attempt{{time.Hour, nil}, {5 * time.Millisecond, nil}}, 2, nil, 15 * time.Millisecond},
		"the first is back before it is hedged": {[]attempt{{5 * time.Millisecond, nil}}, 1, nil, 5 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				got, took, err := do(t, get, holdfast.Chain(fixed(hedge.Options{})), c.attempts...)
				if got != c.want || !errors.Is(err, c.err) || took != c.took {
					t.Errorf("attempt %d, %v, after %v; want %d, %v, after %v", got, err, took, c.want, c.err, c.took)
				}
			})
		})
	}
}

func TestT60_NothingIsLeftRunning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // which fails on a goroutine that stays
		holdfasttest.CheckLeaks(t)
		h := holdfast.Chain(fixed(hedge.Options{MaxHedges: 3}))
		for range 1000 {
			if n, _, err := do(t, get, h, attempt{time.Hour, nil}, attempt{time.Hour, nil}, attempt{time.Millisecond, nil}); n != 3 || err != nil {
				t.Fatal(n, err)
			}
		}
	})
}

func TestT62_OnlyFirstAttemptsOfWhatIsRepeatable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := fixed(hedge.Options{})
		once := get
		once.Repeatable = false
		if n, took, _ := do(t, once, holdfast.Chain(h), attempt{time.Second, nil}); n != 1 || took != time.Second {
			t.Errorf("not repeatable: attempt %d after %v", n, took)
		}
		r := retry.New(retry.Options{MaxAttempts: 2, InitialInterval: -1})
		n, took, err := do(t, get, holdfast.Chain(r, h), attempt{time.Millisecond, errDown}, attempt{time.Second, nil})
		if n != 2 || took != time.Second+time.Millisecond || err != nil {
			t.Errorf("a repeat: attempt %d after %v, %v", n, took, err)
		}
		if s := h.Stats("t"); s.Hedges != 0 || s.Calls != 1 {
			t.Errorf("%+v", s)
		}
	})
}

func TestT39_AnEmptyBudgetSuppressesTheHedgeOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		budget := retry.NewBudget(retry.BudgetOptions{Min: 1})
		var denied []string
		h := fixed(hedge.Options{Budget: budget, OnHedge: func(_ context.Context, e holdfast.Event) { denied = append(denied, e.Kind+e.Detail) }})
		for want := 2; want > 0; want-- { // the first is hedged, the second is not
			if n, _, err := do(t, get, holdfast.Chain(h), attempt{time.Second, nil}, attempt{time.Millisecond, nil}); n != want || err != nil {
				t.Errorf("attempt %d, %v; want %d", n, err, want)
			}
		}
		if len(denied) != 2 || denied[0] != "hedge" || denied[1] != "hedge_deniedbudget empty" || budget.Stats("t").Refused != 1 {
			t.Errorf("%q, %+v", denied, budget.Stats("t"))
		}
	})
}

func TestT63_R13_HedgesSettleAtTheirShare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hedge.New(hedge.Options{})
		chain := holdfast.Chain(h)
		run := func(n int, takes func(i int) time.Duration) (hedged uint64) {
			before := h.Stats("t").Hedges
			for i := range n {
				do(t, get, chain, attempt{takes(i), nil}, attempt{10 * time.Millisecond, nil})
			}
			return h.Stats("t").Hedges - before
		}
		usual := func(i int) time.Duration { return time.Duration(10+i*37%100) * time.Millisecond }
		run(1000, usual)
		if n := run(4000, usual); n < 120 || n > 200 {
			t.Errorf("%d of 4000 were hedged, want 3 to 5 %%", n)
		}
		if n := run(1000, func(int) time.Duration { return 2 * time.Second }); n > 60 {
			t.Errorf("%d of 1000 were hedged when all were slow", n)
		}
	})
}

func TestT64_TimesThatWereCutOffDoNotEnter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hedge.New(hedge.Options{Share: -1, MinSamples: 1})
		chain := holdfast.Chain(h)
		for range 100 {
			do(t, get, chain, attempt{100 * time.Millisecond, nil}, attempt{time.Hour, nil})
		}
		was := h.Stats("t").Delay
		for range 3 { // each is beaten by its hedge
			do(t, get, chain, attempt{time.Hour, nil}, attempt{time.Millisecond, nil})
		}
		if is := h.Stats("t").Delay; is != was || h.Stats("t").Won != 3 {
			t.Errorf("the delay was %v and is %v; %d won", was, is, h.Stats("t").Won)
		}
	})
}

func TestAPanicInAHedgeIsTheCallers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := holdfast.Chain(fixed(hedge.Options{}))
		defer func() {
			if got := recover(); got != "boom" {
				t.Errorf("recovered %v", got)
			}
		}()
		_, _ = holdfast.Do(t.Context(), h, get, func(ctx context.Context) (int, error) {
			if holdfast.CallFrom(ctx).Hedge {
				panic("boom")
			}
			<-ctx.Done()
			return 0, context.Cause(ctx)
		})
		t.Error("no panic")
	})
}

// With a fixed delay that every call passes, the share alone holds hedges back.
func TestR13_TheShareHoldsWhenAllIsSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hedge.New(hedge.Options{Delay: delay})
		chain := holdfast.Chain(h)
		for range 1000 {
			do(t, get, chain, attempt{20 * time.Millisecond, nil}, attempt{time.Second, nil})
		}
		if s := h.Stats("t"); s.Hedges < 40 || s.Hedges > 50 || s.Denied != 1000-s.Hedges {
			t.Errorf("%+v, want 5 %% hedged", s)
		}
	})
}
