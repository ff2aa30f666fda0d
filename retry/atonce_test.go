package retry

import (
	"sync"
	"testing"
	"time"
)

// Two Budgets that are made of one at once leave it as one of them says, and not in part as the other.
func TestBudgetsMadeAtOnceAgree(t *testing.T) {
	b := NewBudget(BudgetOptions{})
	b.Deposit("t")
	for range 2000 {
		var both sync.WaitGroup
		for n := 1; n <= 2; n++ {
			both.Go(func() { b.With(BudgetOptions{MaxTargets: n, Window: time.Duration(n) * time.Minute}) })
		}
		both.Wait()
		a, _ := b.s.accounts.Find("t")
		if last := b.s.last.Load(); last.targets != b.s.accounts.Max || a.width != last.width {
			t.Fatalf("%d targets, and %d are kept; a window of %v, and one of %v in the account", last.targets, b.s.accounts.Max, last.width, a.width)
		}
	}
}
