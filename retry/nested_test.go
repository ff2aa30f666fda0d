package retry_test

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/retry"
)

// R11: three layers of four attempts make four, and not 64.
func TestR11_NestedLayersDoNotMultiply(t *testing.T) {
	type layer struct {
		repeatable bool
		attempts   int
	}
	for name, c := range map[string]struct {
		layers []layer
		err    error
		sends  int
	}{
		"all repeatable":                 {[]layer{{true, 4}, {true, 4}, {true, 4}}, errBoom, 4},
		"the outer one is not":           {[]layer{{false, 4}, {true, 4}, {true, 4}}, errBoom, 4},
		"only the innermost is":          {[]layer{{false, 4}, {false, 4}, {true, 4}}, errBoom, 4},
		"none is":                        {[]layer{{false, 4}, {false, 4}, {false, 4}}, errBoom, 1},
		"refused, all repeatable":        {[]layer{{true, 4}, {true, 4}, {true, 4}}, holdfast.Mark(errBoom, holdfast.Refused, 0), 4},
		"refused, none is":               {[]layer{{false, 4}, {false, 4}, {false, 4}}, holdfast.Mark(errBoom, holdfast.Refused, 0), 4},
		"refused, the outer one is not":  {[]layer{{false, 2}, {true, 3}, {true, 4}}, holdfast.Mark(errBoom, holdfast.Refused, 0), 3},
		"an outer layer without repeats": {[]layer{{true, -1}, {true, 3}}, errBoom, 3},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sends := 0
				f := func(context.Context) (int, error) { sends++; return 0, c.err }
				for i := len(c.layers) - 1; i >= 0; i-- {
					h := holdfast.Chain(constant(retry.Options{MaxAttempts: c.layers[i].attempts}))
					inner, repeatable := f, c.layers[i].repeatable
					f = func(ctx context.Context) (int, error) {
						return holdfast.Do(ctx, h, holdfast.Call{Target: "t", Repeatable: repeatable}, inner)
					}
				}
				_, err := f(t.Context())
				if sends != c.sends || !errors.Is(err, errBoom) {
					t.Errorf("%d sends, %v; want %d", sends, err, c.sends)
				}
			})
		})
	}
}

func TestTwoRetriesInOneListDoNotMultiply(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{results: []holdfast.Result{failure()}}
		send(t.Context(), true, s, retry.New(retry.Options{MaxAttempts: 4}), retry.New(retry.Options{}), retry.New(retry.Options{}))
		if len(s.sends) != 4 {
			t.Errorf("%d sends, want the outer policy's four", len(s.sends))
		}
	})
}

// A Retry of one attempt has nothing to do with a call that another one further in repeats: the call
// pays in once, and stops once.
func TestARetryOfOneAttemptLeavesTheCallToAnotherOne(t *testing.T) {
	for name, c := range map[string]struct {
		result     holdfast.Result
		sends      int
		successes  uint64
		outer, own int // times that each has told that it stops
	}{
		"success": {success(), 1, 1, 0, 0},
		"failure": {failure(), 3, 0, 0, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				budget := retry.NewBudget(retry.BudgetOptions{})
				var outer, own int
				s := &script{results: []holdfast.Result{c.result}}
				send(t.Context(), true, s,
					retry.New(retry.Options{MaxAttempts: -1, Budget: budget, OnStop: func(context.Context, holdfast.Event) { outer++ }}),
					retry.New(retry.Options{MaxAttempts: 3, Budget: budget, OnStop: func(context.Context, holdfast.Event) { own++ }}))
				if n := budget.Stats("t").Successes; len(s.sends) != c.sends || n != c.successes || outer != c.outer || own != c.own {
					t.Errorf("%d sends, %d successes paid in; the outer one stopped %d times, the inner one %d", len(s.sends), n, outer, own)
				}
			})
		})
	}
}

// An inner layer that was refused its repeat has repeated nothing: the outer one may, where the call is
// repeatable, or where its function knows that it has done nothing and says so. Once the inner one has
// sent again, the outer one refrains.
func TestALayerThatWasRefusedItsRepeatHasRepeatedNothing(t *testing.T) {
	refused := holdfast.Mark(errBoom, holdfast.Refused, 0)
	for name, c := range map[string]struct {
		repeatable, says bool
		inner            int // repeats that the inner layer is granted
		sends            int
	}{
		"the outer one is repeatable":            {true, false, -1, 2},
		"the outer one is repeatable, by itself": {true, false, 5, 2},
		"its function says that it did nothing":  {false, true, -1, 2},
		"its function says nothing":              {false, false, -1, 1},
		"the inner one has repeated":             {false, true, 5, 3},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				outer := holdfast.Chain(constant(retry.Options{MaxAttempts: 2}))
				inner := holdfast.Chain(constant(retry.Options{MaxAttempts: 3, Budget: retry.NewBudget(retry.BudgetOptions{Min: c.inner})}))
				sends := 0
				_, _ = holdfast.Do(t.Context(), outer, holdfast.Call{Target: "o", Repeatable: c.repeatable}, func(ctx context.Context) (int, error) {
					_, err := holdfast.Do(ctx, inner, holdfast.Call{Target: "i"}, func(context.Context) (int, error) { sends++; return 0, refused })
					if c.says {
						err = holdfast.Mark(err, holdfast.Refused, 0)
					}
					return 0, err
				})
				if sends != c.sends {
					t.Errorf("%d sends, want %d", sends, c.sends)
				}
			})
		})
	}
}

func TestWithoutRepeatsIsObeyed(t *testing.T) {
	s := &script{results: []holdfast.Result{status(holdfast.Refused, "dial", 0)}}
	_, record := send(holdfast.WithoutRepeats(t.Context()), true, s, retry.New(retry.Options{}))
	if len(s.sends) != 1 || record.Ledger().Stopped != "repeats are switched off by the context" {
		t.Errorf("%d sends, %v", len(s.sends), record.Ledger())
	}
}

// T92: a chain built for each call is harmless, since the state is in the policy;
// so is a policy built for each call, but for its budget, and nothing is left.
func TestT92_BuildingAnewForEachCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := new(outcome)
		o.broken.Store(true)
		shared := retry.New(retry.Options{InitialInterval: -1})
		for range 100 {
			call(t.Context(), holdfast.Chain(shared), "t", o) // built anew each time
		}
		if got := o.sends.Load(); got != 105 {
			t.Errorf("%d sends, want the shared budget's five repeats and no more", got)
		}
		budget := retry.NewBudget(retry.BudgetOptions{})
		o.sends.Store(0)
		for range 100 {
			call(t.Context(), holdfast.Chain(retry.New(retry.Options{InitialInterval: -1, Budget: budget})), "t", o)
		}
		if got := o.sends.Load(); got != 105 {
			t.Errorf("%d sends, want the given budget's five repeats and no more", got)
		}
	})
}

// T88 for this policy alone: nothing is left after a thousand calls.
func TestT88_NothingIsLeftAfterAThousandCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := retry.New(retry.Options{Budget: retry.NewBudget(retry.BudgetOptions{Unlimited: true})})
		h := holdfast.Chain(r)
		run := func() {
			for range 1000 {
				ctx, cancel := context.WithTimeout(t.Context(), 70*time.Millisecond)
				call(ctx, h, "t", &script{results: []holdfast.Result{failure(), success()}})
				cancel()
			}
		}
		run()
		goroutines, objects := runtime.NumGoroutine(), heapObjects()
		run()
		if n := runtime.NumGoroutine(); n > goroutines {
			t.Errorf("%d goroutines, %d before", n, goroutines)
		}
		if n := heapObjects(); n > objects+200 {
			t.Errorf("%d objects on the heap, %d before", n, objects)
		}
	})
}

func heapObjects() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapObjects
}
