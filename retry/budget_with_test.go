package retry_test

import (
	"fmt"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/retry"
)

// Another Window keeps what successes have paid in, as far as it reaches, and forgets it when it
// says, for new accounts too. Looking through the Budget from before takes nothing.
func TestBudgetWithAnotherWindow(t *testing.T) {
	for _, c := range []struct {
		window     time.Duration
		ago        time.Duration // the successes were
		kept, late float64       // tokens at once, and 8 s later
		lateOfNew  float64
	}{
		{window: 20 * time.Second, kept: 200, late: 200, lateOfNew: 200},
		{window: 20 * time.Second, ago: 5 * time.Second, kept: 200, late: 200, lateOfNew: 200},
		{window: 5 * time.Second, kept: 200, late: 1, lateOfNew: 1},
		{window: 5 * time.Second, ago: 8 * time.Second, kept: 1, late: 1, lateOfNew: 1},
		{window: time.Hour, kept: 200, late: 200, lateOfNew: 200},
		{window: 10 * time.Second, kept: 200, late: 200, lateOfNew: 200},
	} {
		synctest.Test(t, func(t *testing.T) {
			time.Sleep(100 * time.Second)
			old := retry.NewBudget(retry.BudgetOptions{Min: 1})
			pay := func(b *retry.Budget, target string) {
				for range 1000 {
					b.Deposit(target)
				}
			}
			pay(old, "t")
			time.Sleep(c.ago)
			b := old.With(retry.BudgetOptions{Min: 1, Window: c.window})
			tokens := func(target string, want float64) {
				t.Helper()
				old.Stats(target)
				if got := b.Stats(target).Tokens; math.Abs(got-want) > 1e-6 {
					t.Errorf("%v, %v ago: %v tokens, want %v", c.window, c.ago, got, want)
				}
			}
			tokens("t", c.kept)
			pay(b, "new")
			time.Sleep(8 * time.Second)
			tokens("t", c.late)
			tokens("new", c.lateOfNew)
			time.Sleep(c.window)
			tokens("t", 1)
			if got := b.Options().Window; got != c.window {
				t.Errorf("in force is %v", got)
			}
		})
	}
}

// MaxTargets is changed live.
func TestBudgetWithBoundsTheTargets(t *testing.T) {
	b := retry.NewBudget(retry.BudgetOptions{}).With(retry.BudgetOptions{MaxTargets: 2})
	for i := range 5 {
		b.Withdraw(fmt.Sprint(i))
	}
	withdrawn := map[string]float64{}
	for f := range b.Figures {
		if f.Name == "retry_budget_withdrawn_total" {
			withdrawn[f.Labels["target"]] = f.Value
		}
	}
	if len(withdrawn) != 3 || withdrawn["other"] != 3 || b.Options().MaxTargets != 2 {
		t.Errorf("%v", withdrawn)
	}
}

// One that New has not made repeats nothing, and says so.
func TestTraitsTellWhetherItRetries(t *testing.T) {
	for _, c := range []struct {
		r    holdfast.Characterized
		want bool
	}{{(*retry.Retry)(nil), false}, {new(retry.Retry), false}, {retry.New(retry.Options{MaxAttempts: -1}), true}, {retry.New(retry.Options{}), true}} {
		if got := c.r.Traits().Retries; got != c.want {
			t.Errorf("%v, want %v", got, c.want)
		}
	}
}

// What was paid in stays however often the Window changes.
func TestBudgetWindowsBackAndForthLoseNothing(t *testing.T) {
	paid := func(t *testing.T) {
		t.Helper()
		o := retry.BudgetOptions{Ratio: 1, Min: -1, Window: 10 * time.Second}
		b := retry.NewBudget(o)
		for range 200 {
			b.Deposit("t")
		}
		for i := range 20 {
			o.Window = 10*time.Second + time.Duration(i%2)*10*time.Millisecond
			b = b.With(o)
			if got := b.Stats("t").Tokens; got < 199 {
				t.Fatalf("after %d changes %v tokens, want 200", i+1, got)
			}
		}
	}
	paid(t)
	synctest.Test(t, paid)
}
