package retry_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/retry"
)

// A token that was not sent goes back to what late targets share, where it was taken from, though its
// target would find room by then.
func TestATokenGoesBackToWhereItWasTakenFrom(t *testing.T) {
	for name, moves := range map[string]bool{"its target has no account": false, "its target has one by then": true} {
		t.Run(name, func(t *testing.T) {
			b := retry.NewBudget(retry.BudgetOptions{MaxTargets: 1, Min: 1})
			b.Withdraw("a")
			b.Withdraw("late") // of the shared account
			b.Refund("a")
			if moves {
				b.Deposit("late") // in the place of a's
				b = b.With(retry.BudgetOptions{MaxTargets: 9, Min: 1})
			}
			b.Refund("late")
			for _, target := range []string{"a", "b", "c"} {
				if !b.Withdraw(target) {
					t.Errorf("%s has no repeat, and none was ever sent", target)
				}
				b.Refund(target)
			}
		})
	}
}

// So does the token of a repeat that waits while its target comes to have an account of its own, of
// which it has taken tokens by then.
func TestATokenOfARepeatThatIsNotSentGoesBackToWhereItWasTakenFrom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := retry.NewBudget(retry.BudgetOptions{MaxTargets: 1, Min: 2})
		b.Withdraw("a")
		ctx, cancel := context.WithCancel(t.Context())
		h := holdfast.Chain(constant(retry.Options{InitialInterval: time.Second, Budget: b}))
		go func() {
			_, _ = holdfast.Do(ctx, h, holdfast.Call{Target: "late", Repeatable: true}, func(context.Context) (int, error) { return 0, errBoom })
		}()
		synctest.Wait()
		b.Refund("a") // there is room now
		b = b.With(retry.BudgetOptions{MaxTargets: 9, Min: 2})
		if !b.Withdraw("late") { // sent
			t.Fatal("refused")
		}
		cancel()
		synctest.Wait()
		b = b.With(retry.BudgetOptions{MaxTargets: 1, Min: 2})
		b.Withdraw("b")
		if got := b.Stats("somebody"); got.Tokens != 1 || got.Withdrawn != 2 || got.Refunded != 1 {
			t.Errorf("%+v is shared, want the one token that was not sent", got)
		}
	})
}

// A target that nobody has called for ten windows makes room, whoever looks at it meanwhile.
func TestASpentAccountMakesRoomAfterTenWindows(t *testing.T) {
	for name, each := range map[string]func(b *retry.Budget) *retry.Budget{
		"others ask for room": func(b *retry.Budget) *retry.Budget { b.Deposit("b"); return b },
		"stats are read":      func(b *retry.Budget) *retry.Budget { b.Stats("a"); return b },
		"figures are read": func(b *retry.Budget) *retry.Budget {
			for range b.Figures {
				continue
			}
			return b
		},
		"the window is changed": func(b *retry.Budget) *retry.Budget {
			b = b.With(retry.BudgetOptions{MaxTargets: 1, Window: 9 * time.Second})
			return b.With(retry.BudgetOptions{MaxTargets: 1})
		},
		"nothing": func(b *retry.Budget) *retry.Budget { return b },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := retry.NewBudget(retry.BudgetOptions{MaxTargets: 1})
				b.Withdraw("a") // once, and never again
				for i := range 90 {
					time.Sleep(time.Second)
					b = each(b)
					if b.Deposit("c"); b.Stats("a").Withdrawn != 1 {
						t.Fatalf("forgotten after %d s, before ten windows are over", i+1)
					}
				}
				for range 20 {
					time.Sleep(time.Second)
					b = each(b)
				}
				if own := b.Stats("a"); own.Withdrawn != 1 && name != "others ask for room" {
					t.Errorf("%+v: it was forgotten while nobody asked for room", own)
				}
				if name == "others ask for room" {
					if b.Stats("b").Successes >= 110 {
						t.Error("b is late still, 110 s after a was last called")
					}
					return
				}
				b.Deposit("d")
				if n := b.Stats("d").Successes; n != 1 || b.Stats("a").Withdrawn != 0 {
					t.Errorf("d has no account of its own, 110 s after a was last called: %d", n)
				}
			})
		})
	}
}
