package retry_test

import (
	"context"
	"fmt"
	"math"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/retry"
)

func TestBudgetFollowsItsRule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := retry.NewBudget(retry.BudgetOptions{})
		spend := func() (n int) {
			for b.Withdraw("t") {
				n++
			}
			return n
		}
		if got := spend(); got != 5 {
			t.Errorf("a new account grants %d, want 5", got)
		}
		for range 5 {
			b.Deposit("t")
		}
		if got := spend(); got != 1 {
			t.Errorf("five successes fund %d, want 1", got)
		}
		time.Sleep(time.Hour)
		if got := spend(); got != 0 {
			t.Errorf("an hour funds %d, want nothing", got)
		}
		for range 1000 {
			b.Deposit("t")
		}
		if got := spend(); got != 200 {
			t.Errorf("a thousand successes fund %d, want 200", got)
		}
		for range 1000 {
			b.Deposit("t")
		}
		time.Sleep(11 * time.Second) // the savings go with the traffic that made them
		if got := spend(); got != 5 {
			t.Errorf("old savings grant %d, want 5", got)
		}
	})
}

func TestBudgetOptions(t *testing.T) {
	grants := func(o retry.BudgetOptions, deposits int) (n int) {
		b := retry.NewBudget(o)
		for range deposits {
			b.Deposit("t")
		}
		for n < 10_000 && b.Withdraw("t") {
			n++
		}
		return n
	}
	for name, c := range map[string]struct {
		o              retry.BudgetOptions
		deposits, want int
	}{
		"default":          {retry.BudgetOptions{}, 0, 5},
		"no floor":         {retry.BudgetOptions{Min: -1}, 0, 0},
		"no floor, funded": {retry.BudgetOptions{Min: -1}, 50, 10},
		"unfunded":         {retry.BudgetOptions{Ratio: -1}, 1000, 5},
		"generous":         {retry.BudgetOptions{Ratio: 1e300}, 10, 100},
		"unlimited":        {retry.BudgetOptions{Unlimited: true}, 0, 10_000},
		"tiny window":      {retry.BudgetOptions{Window: 1, Min: 2}, 0, 2},
	} {
		if got := grants(c.o, c.deposits); got != c.want {
			t.Errorf("%s: %d granted, want %d", name, got, c.want)
		}
	}
}

// A Budget that nobody made panics for nobody, and grants nothing.
func TestBudgetOfNobody(t *testing.T) {
	for name, b := range map[string]*retry.Budget{"nil": nil, "zero": new(retry.Budget)} {
		b.Deposit("t")
		b.Refund("t")
		if b.Withdraw("t") || b.Stats("t") != (retry.BudgetStats{}) {
			t.Errorf("%s: it grants something", name)
		}
		for range b.Figures {
			t.Errorf("%s: it has an account", name)
		}
	}
}

func TestBudgetWithoutABoundSaysSo(t *testing.T) {
	b := retry.NewBudget(retry.BudgetOptions{Unlimited: true})
	before := b.Stats("t").Tokens
	b.Withdraw("t")
	if after := b.Stats("t").Tokens; !math.IsInf(before, 1) || !math.IsInf(after, 1) {
		t.Errorf("%v tokens, and then %v, want no bound", before, after)
	}
}

func TestBudgetIsBounded(t *testing.T) {
	b := retry.NewBudget(retry.BudgetOptions{MaxTargets: 10})
	for i := range 1000 {
		b.Deposit(fmt.Sprint(i))
	}
	n := 0
	for f := range b.Figures {
		if f.Name == "retry_budget_tokens" {
			n++
		}
	}
	if n != 10 {
		t.Errorf("%d accounts, want 10", n)
	}
}

// A dead target's empty account is not dropped for a full one while the target is
// in use, else its repeats would start anew; one that is called no more is.
func TestBudgetForgetsTheRightAccounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := retry.NewBudget(retry.BudgetOptions{MaxTargets: 10})
		for b.Withdraw("dead") {
		}
		for i := range 900 {
			b.Deposit(fmt.Sprint(i))
			time.Sleep(100 * time.Millisecond)
		}
		if b.Withdraw("dead") {
			t.Error("the dead target's account was forgotten for another's")
		}
		for i := range 9 {
			for b.Withdraw(fmt.Sprint("gone", i)) {
			}
		}
		time.Sleep(101 * time.Second)
		for i := range 100 {
			b.Deposit(fmt.Sprint("new", i))
		}
		for f := range b.Figures {
			if f.Name == "retry_budget_tokens" && f.Value < 1 {
				t.Errorf("the account of %s is kept though nobody used it for ten windows", f.Labels["target"])
			}
		}
	})
}

// A budget of a program's start is used in a test's bubble, whose clock is
// another: its window goes on working.
func TestBudgetSurvivesAnotherClock(t *testing.T) {
	b := retry.NewBudget(retry.BudgetOptions{})
	for range 1000 {
		b.Deposit("t")
	}
	synctest.Test(t, func(t *testing.T) {
		for range 100 {
			b.Deposit("t")
		}
		time.Sleep(11 * time.Second)
		if got := b.Stats("t").Tokens; got != 5 {
			t.Errorf("%v tokens, want what a new window has", got)
		}
	})
}

// FuzzBudget runs a schedule of deposits, withdrawals, refunds and waits against
// a model that keeps every success and counts anew each time. The window is kept
// in ten buckets, so its edge is blurred by one: the model gives two bounds,
// which are the same as long as no success is near the edge.
func FuzzBudget(f *testing.F) {
	f.Add([]byte{0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 2, 200, 1})
	f.Add([]byte{1, 1, 1, 2, 0, 2, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 1, 2, 1, 1})
	f.Add(append(make([]byte, 100), 255, 255, 1, 1, 255, 0, 0, 255, 1, 1, 1, 1, 1, 1, 1))
	f.Add([]byte("the quick brown fox jumps over the lazy dog"))
	f.Fuzz(func(t *testing.T, schedule []byte) {
		if len(schedule) > 2000 {
			return
		}
		synctest.Test(t, func(t *testing.T) {
			b := retry.NewBudget(retry.BudgetOptions{})
			var successes []time.Time
			limit := func(window time.Duration) float64 {
				n := 0
				for _, s := range successes {
					if time.Since(s) < window {
						n++
					}
				}
				return max(5, 0.2*float64(n))
			}
			least, most := 5.0, 5.0 // what the account may hold
			for _, op := range schedule {
				switch op % 4 {
				case 0:
					b.Deposit("t")
					successes = append(successes, time.Now())
					least, most = least+0.2, min(most+0.2, limit(10*time.Second))
				case 1:
					granted := b.Withdraw("t")
					most = min(most, limit(10*time.Second))
					if granted && most < 1-1e-6 || !granted && least >= 1 {
						t.Fatalf("granted is %v with %v to %v tokens", granted, least, most)
					}
					if granted {
						least, most = max(least-1, 0), most-1
					}
				case 2:
					if s := b.Stats("t"); s.Withdrawn > s.Refunded {
						b.Refund("t")
						least, most = least+1, most+1
					}
				case 3:
					time.Sleep(time.Duration(op) * 20 * time.Millisecond)
				}
				least = min(least, limit(9*time.Second))
				if got := b.Stats("t").Tokens; got < least-1e-6 || got > min(most, limit(10*time.Second))+1e-6 {
					t.Fatalf("%v tokens, want %v to %v", got, least, most)
				}
			}
		})
	})
}

// A call pays when it succeeds, however long it took: what slow calls have saved up lasts a
// window as well.
func TestASlowCallPaysWhenItSucceeds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := retry.NewBudget(retry.BudgetOptions{Ratio: 0.5, Min: -1, Window: 10 * time.Second})
		h := holdfast.Chain(retry.New(retry.Options{Budget: b}))
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				_, _ = holdfast.Do(t.Context(), h, holdfast.Call{Target: "t"}, func(context.Context) (int, error) {
					time.Sleep(9 * time.Second)
					return 1, nil
				})
			})
		}
		wg.Wait()
		time.Sleep(8 * time.Second)
		if got := b.Stats("t").Tokens; got != 5 {
			t.Errorf("%v tokens after 8 of 10 seconds, want 5", got)
		}
		time.Sleep(3 * time.Second)
		if got := b.Stats("t").Tokens; got != 0 {
			t.Errorf("%v tokens after the window, want none", got)
		}
	})
}
