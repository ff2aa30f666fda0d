package retry

import (
	"math"
	"testing"
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/option"
)

// interval is what the n-th wait is drawn from.
func interval(base, limit time.Duration, n int) time.Duration {
	if n > 40 {
		return limit
	}
	return min(limit, time.Duration(min(float64(base)*math.Pow(2, float64(n)), float64(limit))))
}

func TestSchedulesDrawFromTheirIntervals(t *testing.T) {
	const base, limit = 50 * time.Millisecond, 20 * time.Second
	for range 200 {
		full, equal, constant, decorrelated := schedule(base, limit, Full), schedule(base, limit, Equal), schedule(base, limit, Constant), schedule(base, limit, Decorrelated)
		last := base
		for n := range 15 {
			most := interval(base, limit, n)
			if got := full.NextBackOff(); got < 0 || got > most+1 {
				t.Fatalf("full jitter waits %v at the %d-th repeat, want 0 to %v", got, n, most)
			}
			if got := equal.NextBackOff(); got < most/2-1 || got > most+1 {
				t.Fatalf("equal jitter waits %v at the %d-th repeat, want %v to %v", got, n, most/2, most)
			}
			if got := constant.NextBackOff(); got != base {
				t.Fatalf("constant waits %v", got)
			}
			got := decorrelated.NextBackOff()
			if got < base || got > min(3*last, limit) {
				t.Fatalf("decorrelated jitter waits %v after %v", got, last)
			}
			last = got
		}
	}
}

// R20: full jitter by default; a thousand failures at once are spread so that no
// 10 ms bin holds more than three times the mean.
func TestR20_SynchronisedFailuresAreSpread(t *testing.T) {
	r := New(Options{})
	const calls, bin = 1000, 10 * time.Millisecond
	for n, most := range []time.Duration{50 * time.Millisecond, 100 * time.Millisecond} {
		var bins [64]int
		for range calls {
			w := waits{of: r}
			for range n {
				w.next(holdfast.Failure)
			}
			wait, _ := w.next(holdfast.Failure)
			bins[wait/bin]++
		}
		mean := calls * int(bin) / int(most)
		for i, got := range bins {
			if got > 3*mean || (time.Duration(i)*bin < most && got < mean/3) {
				t.Errorf("repeat %d: %d of %d calls wait %v, want about %d", n+1, got, calls, time.Duration(i)*bin, mean)
			}
		}
	}
}

// T29: the arithmetic never overflows nor goes negative, at any attempt.
func TestT29_WaitsNeverOverflow(t *testing.T) {
	for _, jitter := range []Jitter{Full, Equal, Decorrelated, Constant, 99} {
		for _, base := range []time.Duration{-1, 1, time.Second, math.MaxInt64} {
			for _, limit := range []time.Duration{-1, 1, time.Hour, math.MaxInt64} {
				r := New(Options{InitialInterval: base, OverloadInterval: base, MaxInterval: limit, Jitter: jitter})
				for _, class := range []holdfast.Class{holdfast.Failure, holdfast.Overload} {
					w := waits{of: r}
					for n := range 300 {
						if wait, ok := w.next(class); !ok || wait < 0 || wait > r.cap {
							t.Fatalf("base %v, cap %v, jitter %d: wait %v at repeat %d", base, limit, jitter, wait, n)
						}
					}
				}
			}
		}
	}
}

// T93: zero is the default, negative is off, anything else is bounded sensibly.
func TestT93_EveryOptionMeansSomething(t *testing.T) {
	type made struct {
		attempts                            int
		base, overload, cap, after, attempt time.Duration
	}
	def := made{3, 50 * time.Millisecond, time.Second, 20 * time.Second, time.Minute, 5 * time.Millisecond}
	with := func(f func(*made)) made { m := def; f(&m); return m }
	for name, c := range map[string]struct {
		o    Options
		want made
	}{
		"zero":                     {Options{}, def},
		"no repeats":               {Options{MaxAttempts: -1}, with(func(m *made) { m.attempts = 1 })},
		"one":                      {Options{MaxAttempts: 1}, with(func(m *made) { m.attempts = 1 })},
		"absurdly many":            {Options{MaxAttempts: math.MaxInt}, with(func(m *made) { m.attempts = 1000 })},
		"no waits":                 {Options{InitialInterval: -1}, with(func(m *made) { m.base, m.overload = 0, 0 })},
		"no waits but on overload": {Options{InitialInterval: -1, OverloadInterval: 2 * time.Second}, with(func(m *made) { m.base, m.overload = 0, 2*time.Second })},
		"a long base":              {Options{InitialInterval: 3 * time.Second}, with(func(m *made) { m.base, m.overload = 3*time.Second, 3*time.Second })},
		"overload as failure":      {Options{OverloadInterval: -1}, with(func(m *made) { m.overload = m.base })},
		"base over cap":            {Options{InitialInterval: time.Minute}, with(func(m *made) { m.base, m.overload = m.cap, m.cap })},
		"cap under overload":       {Options{MaxInterval: 100 * time.Millisecond}, with(func(m *made) { m.cap, m.overload = 100*time.Millisecond, 100*time.Millisecond })},
		"no cap":                   {Options{MaxInterval: -1}, with(func(m *made) { m.cap = 24 * time.Hour })},
		"no cap on wishes":         {Options{MaxRetryAfter: -1}, with(func(m *made) { m.after = 24 * time.Hour })},
		"no floor":                 {Options{MinAttempt: -1}, with(func(m *made) { m.attempt = 0 })},
		"absurdly long":            {Options{InitialInterval: math.MaxInt64, MaxInterval: math.MaxInt64, MaxRetryAfter: math.MaxInt64, MinAttempt: math.MaxInt64}, made{3, option.Day, option.Day, option.Day, option.Day, option.Day}},
	} {
		r := New(c.o)
		if got := (made{r.attempts, r.base, r.overload, r.cap, r.maxAfter, r.minAttempt}); got != c.want {
			t.Errorf("%s: made %+v, want %+v", name, got, c.want)
		}
		if r.Budget() == nil {
			t.Errorf("%s: no budget", name)
		}
	}
	var none *Retry
	if h := none.Wrap(nil); h != nil {
		t.Error("a nil Retry does something")
	}
}

func TestBriefDurations(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0 ms", -1: "0 ms", 1500 * time.Microsecond: "1.5 ms", 180 * time.Millisecond: "180 ms", 999 * time.Millisecond: "999 ms",
		1500 * time.Millisecond: "1.5 s", 90 * time.Second: "90 s", math.MaxInt64: "9223372036 s",
	} {
		if got := brief(d); got != want {
			t.Errorf("brief(%d) is %q, want %q", d, got, want)
		}
	}
}

// FuzzWaits: whatever the options and whatever the server wishes, a wait is not
// negative, never under the wish, and never over what it may be.
func FuzzWaits(f *testing.F) {
	f.Add(int64(0), int64(0), int64(0), int64(0), uint8(0), uint8(3))
	f.Add(int64(time.Second), int64(time.Minute), int64(0), int64(30*time.Second), uint8(0), uint8(9))
	f.Add(int64(-1), int64(-1), int64(-1), int64(-1), uint8(1), uint8(200))
	f.Add(int64(math.MaxInt64), int64(math.MinInt64), int64(math.MaxInt64), int64(math.MaxInt64), uint8(2), uint8(90))
	f.Fuzz(func(t *testing.T, base, limit, overload, after int64, jitter, repeats uint8) {
		r := New(Options{MaxAttempts: 1000, InitialInterval: time.Duration(base), MaxInterval: time.Duration(limit), OverloadInterval: time.Duration(overload), Jitter: Jitter(jitter)})
		call := &holdfast.Call{Repeatable: true, Record: new(holdfast.Record)}
		res := holdfast.Result{Class: holdfast.Failure, After: time.Duration(after)}
		if repeats%2 == 0 {
			res.Class = holdfast.Overload
		}
		w := waits{of: r}
		for n := range int(repeats) {
			wait, why := r.decide(t.Context(), call, res, n+1, &w)
			switch {
			case why.word != "":
				if after >= 0 && time.Duration(after) <= r.maxAfter {
					t.Fatalf("stopped: %s", why)
				}
				return
			case after < 0 || time.Duration(after) > r.maxAfter:
				t.Fatalf("repeats although the server said %v", res.After)
			case wait < res.After || wait > max(r.cap, res.After+min(res.After/10, time.Second)):
				t.Fatalf("waits %v, with a cap of %v and a wish of %v", wait, r.cap, res.After)
			}
		}
	})
}

var _ backoff.BackOff = (*decorrelated)(nil)
