package preset_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/preset"
	"github.com/holdfast-go/holdfast/retry"
	"github.com/holdfast-go/holdfast/timeout"
)

func updated(t *testing.T, from, to preset.Config) (*preset.Stack, []string) {
	t.Helper()
	s, err := preset.NewStack(from)
	if err != nil {
		t.Fatal(err)
	}
	changes, err := s.Update(to)
	if err != nil {
		t.Fatal(err)
	}
	return s, changes
}

// Functions are given, taken away and replaced, and Update says so.
func TestUpdateTellsOfFunctions(t *testing.T) {
	first := func(context.Context, holdfast.Event) {}
	second := func(context.Context, holdfast.Event) { panic("never") }
	with := preset.Standard()
	with.Breaker.OnChange, with.Hedge.OnHedge, with.Retry.OnStop = first, first, first
	with.Breaker.Key = func(*holdfast.Call) string { return "" }
	with.Retry.Backoff = func() backoff.BackOff { return nil }
	with.Retry.Budget = retry.NewBudget(retry.BudgetOptions{})
	other := with
	other.Breaker.OnChange, other.Retry.Budget = second, retry.NewBudget(retry.BudgetOptions{})
	for _, c := range []struct {
		from, to preset.Config
		want     []string
	}{
		{preset.Standard(), with, []string{
			"retry.backoff: none -> set", "retry.budget: none -> set", "retry.onStop: none -> set", "hedge.onHedge: none -> set",
			"breaker.key: none -> set", "breaker.onChange: none -> set",
		}},
		{with, other, []string{"retry.budget: set -> another", "breaker.onChange: set -> another"}},
		{with, with, nil},
		{with, preset.Standard(), []string{
			"retry.backoff: set -> none", "retry.budget: set -> none", "retry.onStop: set -> none", "hedge.onHedge: set -> none",
			"breaker.key: set -> none", "breaker.onChange: set -> none",
		}},
	} {
		if _, changes := updated(t, c.from, c.to); !slices.Equal(changes, c.want) {
			t.Errorf("%q, want %q", changes, c.want)
		}
	}
}

// Every callback is the new Config's for calls that begin after Update.
func TestUpdateMovesTheCallbacks(t *testing.T) {
	told := map[string]int{}
	config := func(name string) preset.Config {
		tell := func(_ context.Context, e holdfast.Event) { told[name+" "+e.Kind]++ }
		c := preset.Standard()
		c.Retry.InitialInterval = -1
		c.Retry.OnRetry, c.Retry.OnStop, c.Breaker.OnChange = tell, tell, tell
		c.Breaker.Key = func(*holdfast.Call) string { told[name+" key"]++; return "k" }
		return c
	}
	s, _ := updated(t, config("old"), config("new"))
	_, err := holdfast.Do(t.Context(), holdfast.Chain(s), holdfast.Call{Target: "t", Repeatable: true}, func(context.Context) (int, error) {
		return 0, holdfast.Mark(errServer, holdfast.Failure, 0)
	})
	s.Breaker().Isolate("k")
	if err == nil || told["new retry"] != 2 || told["new retry_stopped"] != 1 || told["new circuit"] != 1 || told["new key"] != 3 || len(told) != 4 {
		t.Errorf("%v, told %v", err, told)
	}
}

// What Config returns, and what was given, can be changed without changing what is in force, and
// an Update with it says what has changed.
func TestAConfigIsCopied(t *testing.T) {
	given := preset.Standard()
	given.Timeout.Adaptive = &timeout.Adaptive{Factor: 2}
	given.Retry.Codes = []holdfast.Code{"503"}
	given.Inner = []holdfast.Policy{nil}
	s, err := preset.NewStack(given)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"timeout.adaptive.factor: 2 -> 3", "retry.codes: 503 -> 504", "inner: <nil> -> *retry.Retry"}
	edit := func(c preset.Config) {
		c.Timeout.Adaptive.Factor, c.Retry.Codes[0], c.Inner[0] = 3, "504", retry.New(retry.Options{})
	}
	for range 2 { // by NewStack, and by Update
		edit(given)
		edit(s.Config())
		if c := s.Config(); c.Timeout.Adaptive.Factor != 2 || c.Retry.Codes[0] != "503" || c.Inner[0] != nil || s.Inside()[6] != nil {
			t.Errorf("it was changed: %+v", c)
		}
		given = s.Config()
		edit(given)
		changes, err := s.Update(given)
		if err != nil || !slices.Equal(changes, want) {
			t.Errorf("%q, %v, want %q", changes, err, want)
		}
		given = s.Config()
		given.Timeout.Adaptive.Factor, given.Retry.Codes[0], given.Inner[0] = 2, "503", nil
		if _, err := s.Update(given); err != nil {
			t.Fatal(err)
		}
	}
}

// What is written out though it is the default changes nothing, and what follows from another
// value changes with it.
func TestUpdateTellsOfWhatIsInForce(t *testing.T) {
	same := preset.Standard()
	same.Retry.MaxRetryAfter, same.Limit.MaxTargets = time.Minute, 1024
	if _, changes := updated(t, preset.Standard(), same); changes != nil {
		t.Errorf("%q, and nothing is different", changes)
	}
	shorter := preset.Standard()
	shorter.Attempt.Limit = time.Second
	want := []string{"breaker.probeTimeout: 10s -> 1s", "attempt.limit: 10s -> 1s", "attempt.idle: 10s -> 1s"}
	if _, changes := updated(t, preset.Standard(), shorter); !slices.Equal(changes, want) {
		t.Errorf("%q, want %q", changes, want)
	}
	none := preset.Standard()
	none.Attempt.Adaptive = new(timeout.Adaptive)
	want = []string{
		"attempt.adaptive.factor: 1.5 -> none", "attempt.adaptive.min: 10ms -> none", "attempt.adaptive.minSamples: 100 -> none",
		"attempt.adaptive.quantile: 0.99 -> none", "attempt.adaptive.window: 1m0s -> none",
	}
	if _, changes := updated(t, none, preset.Standard()); !slices.Equal(changes, want) {
		t.Errorf("%q, want %q", changes, want)
	}
	// The user's own budget is in force in the place of the Config's.
	mine := preset.Standard()
	mine.Retry.Budget = retry.NewBudget(retry.BudgetOptions{Min: 77})
	other := mine
	other.Budget.Min = 99
	if s, changes := updated(t, mine, other); changes != nil || s.Budget().Options().Min != 77 {
		t.Errorf("%q, with %d in force", changes, s.Budget().Options().Min)
	}
}
