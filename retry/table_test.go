package retry_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/retry"
)

// hearing listens to a call.
func hearing(f func(holdfast.Event)) holdfast.Policy {
	listener := holdfast.NewListener(func(_ context.Context, e holdfast.Event) { f(e) })
	return holdfast.PolicyFunc(func(next holdfast.Handler) holdfast.Handler {
		return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
			call.Record.Listen(listener)
			return next(ctx, call)
		}
	})
}

// Targets that find no account of their own are counted and told of, and share one: a million of an
// attacker's choosing have the repeats of one.
func TestTargetsThatFindNoAccountShareOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := retry.NewBudget(retry.BudgetOptions{MaxTargets: 1})
		b.Withdraw("t")
		var told []holdfast.Event
		heard := hearing(func(e holdfast.Event) {
			if e.Kind == "table_full" {
				told = append(told, e)
			}
		})
		h := holdfast.Chain(heard, constant(retry.Options{InitialInterval: -1, Budget: b}))
		sends := 0
		for i := range 100 {
			_, _ = holdfast.Do(t.Context(), h, holdfast.Call{Target: fmt.Sprint("late", i), Repeatable: true}, func(context.Context) (int, error) { sends++; return 0, errBoom })
		}
		if sends != 105 || b.Stats("late1") != (retry.BudgetStats{Withdrawn: 5, Refused: 98}) || b.Stats("t").Tokens != 4 {
			t.Errorf("%d sends, %+v, %+v", sends, b.Stats("late1"), b.Stats("t"))
		}
		for f := range b.Figures {
			if f.Name == "table_full_total" && (f.Value != 103 || f.Labels["policy"] != "retry") {
				t.Errorf("%+v", f)
			}
		}
		if len(told) != 7 || told[0].Target != "late0" || told[0].Policy != "retry" || told[0].Reason != "max_targets" || !strings.Contains(told[6].Detail, "64") {
			t.Errorf("%d times: %+v", len(told), told)
		}
	})
}

// A target that gets an account of its own, since there is room now, begins with what the shared one
// has, and not with a Min of its own.
func TestATargetThatMovesTakesItsTokensAlong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, drawn := range []int{0, 3, 5} {
			b := retry.NewBudget(retry.BudgetOptions{MaxTargets: 1})
			b.Withdraw("t")
			for range drawn {
				b.Withdraw("late")
			}
			b.Deposit("other late")
			b = b.With(retry.BudgetOptions{MaxTargets: 100})
			for i := range 50 {
				granted := 0
				for b.Withdraw(fmt.Sprint("late", i)) {
					granted++
				}
				if granted > 5-drawn {
					t.Fatalf("%d were drawn; the %d-th target that moves has %d repeats", drawn, i, granted)
				}
			}
			b = b.With(retry.BudgetOptions{MaxTargets: 1}) // what has moved with nothing is not as good as new
			if granted := b.Withdraw("late7"); granted && drawn == 5 {
				t.Error("it was forgotten, and has begun anew")
			}
		}
	})
}

// A listener that panics over a full table leaves no token taken and no answer open.
func TestAListenerThatPanicsOverAFullTableTakesNothing(t *testing.T) {
	heard := hearing(func(e holdfast.Event) {
		if e.Kind == "table_full" {
			panic("mine")
		}
	})
	for name, c := range map[string]struct {
		result   holdfast.Result
		discards int
	}{"a success": {success(), 1}, "a repeat": {status(holdfast.Failure, "503", 0), 1}} {
		b := retry.NewBudget(retry.BudgetOptions{MaxTargets: 1})
		b.Withdraw("kept")
		s := &script{results: []holdfast.Result{c.result}}
		func() {
			defer func() {
				if thrown := recover(); thrown != "mine" {
					t.Errorf("%s: thrown %v", name, thrown)
				}
			}()
			send(t.Context(), true, s, heard, retry.New(retry.Options{Budget: b}))
		}()
		if got := b.Stats("t"); s.discards != c.discards || got.Withdrawn != got.Refunded || got.Tokens != 5 {
			t.Errorf("%s: %d discarded, %+v", name, s.discards, got)
		}
	}
}

// A token can be given back though the account was forgotten meanwhile: it is no more than a new one has.
func TestATokenComesBackToAForgottenAccount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := retry.NewBudget(retry.BudgetOptions{MaxTargets: 1, Window: time.Second})
		b.Withdraw("t")
		time.Sleep(20 * time.Second)
		b.Withdraw("u") // takes its place
		b.Refund("t")
		if got := b.Stats("t").Tokens; got > 5 {
			t.Errorf("%v tokens", got)
		}
	})
}
