package retry_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/retry"
)

// A repeat that is cancelled after it was granted, before its Sender has it or as it gets it, gives its
// token back; one that was sent does not.
func TestARepeatThatIsCancelledBeforeItIsSentGivesItsTokenBack(t *testing.T) {
	for name, c := range map[string]struct {
		before bool // it is cancelled before it is sent
		spent  uint64
	}{"before": {true, 0}, "while it is under way": {false, 1}} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			inner := holdfast.PolicyFunc(func(next holdfast.Handler) holdfast.Handler {
				return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
					if call.Attempt > 1 && c.before {
						cancel()
					}
					return next(ctx, call)
				}
			})
			b := retry.NewBudget(retry.BudgetOptions{})
			sends := 0
			_, err := holdfast.Do(ctx, holdfast.Chain(retry.New(retry.Options{Budget: b}), inner), holdfast.Call{Target: "t", Repeatable: true}, func(ctx context.Context) (int, error) {
				if sends++; sends > 1 {
					cancel()
					return 0, ctx.Err()
				}
				return 0, errBoom
			})
			if s := b.Stats("t"); err == nil || sends != 1+int(c.spent) || s.Withdrawn != 1 || s.Withdrawn-s.Refunded != c.spent {
				t.Errorf("%s: %v, %d sends, %+v", name, err, sends, s)
			}
		})
	}
}

// bad is a Reply that panics when it is let go of, or put by, once.
type bad struct {
	holdfast.Ending
	keep, discard     bool
	keeps, discarded  int
	panicked, present bool
}

func (b *bad) fail(does bool) {
	if does && !b.panicked {
		b.panicked = true
		panic("a hook's")
	}
}

func (b *bad) Keep() {
	b.keeps++
	b.present = true
	b.fail(b.keep)
}

func (b *bad) Discard() {
	b.discarded++
	b.present = false
	b.fail(b.discard)
}

// Where a hook panics as an answer is put by or let go of, no token stays taken and no memory of an
// answer stays.
func TestAHookThatPanicsKeepsNothing(t *testing.T) {
	for name, reply := range map[string]*bad{"put by": {keep: true}, "let go of": {discard: true}} {
		synctest.Test(t, func(t *testing.T) {
			b := retry.NewBudget(retry.BudgetOptions{})
			sends := 0
			sender := senderOf(func() holdfast.Result {
				if sends++; sends == 1 {
					return holdfast.Result{Reply: reply, Class: holdfast.Failure, Code: "503"}
				}
				return holdfast.Result{Err: errBoom, Class: holdfast.Failure, Code: "error"}
			})
			defer func() {
				s := b.Stats("t")
				if thrown := recover(); thrown != "a hook's" || s.Withdrawn-s.Refunded != uint64(sends-1) {
					t.Errorf("%s: thrown %v after %d sends, %+v", name, thrown, sends, s)
				}
				if reply.present || reply.discarded == 0 {
					t.Errorf("%s: the answer stays; put by %d times, let go of %d times", name, reply.keeps, reply.discarded)
				}
			}()
			send(t.Context(), true, sender, retry.New(retry.Options{Budget: b}))
		})
	}
}

// What nobody has made does nothing, and what it is asked for is nothing.
func TestARetryOfNobodyIsHarmless(t *testing.T) {
	for name, r := range map[string]*retry.Retry{"nil": nil, "zero": new(retry.Retry)} {
		b := r.Budget()
		if b.Withdraw("t") || b.Options() != (retry.BudgetOptions{}) || b.Stats("t") != (retry.BudgetStats{}) {
			t.Errorf("%s: it has a budget", name)
		}
		for range r.Figures {
			t.Errorf("%s: it has figures", name)
		}
		if got := r.Options(); got.Budget != nil || got.MaxAttempts != 0 {
			t.Errorf("%s: %+v", name, got)
		}
		s := &script{results: []holdfast.Result{failure()}}
		if res, _ := send(t.Context(), true, s, r); len(s.sends) != 1 || res.Err != errBoom {
			t.Errorf("%s: %d sends, %v", name, len(s.sends), res.Err)
		}
		if with := b.With(retry.BudgetOptions{}); !with.Withdraw("t") {
			t.Errorf("%s: what is made of it is none", name)
		}
	}
	for name, b := range map[string]*retry.Budget{"zero": new(retry.Budget), "of a nil one": (*retry.Retry)(nil).Budget()} {
		s := &script{results: []holdfast.Result{failure()}}
		if send(t.Context(), true, s, constant(retry.Options{InitialInterval: -1, Budget: b})); b != nil && len(s.sends) != 1 {
			t.Errorf("a budget that is %s has granted %d repeats", name, len(s.sends)-1)
		}
	}
}

// A budget that several policies share, and that is switched off and on live, bounds what is made
// under it, and gives back what was granted under the one before.
func TestABudgetIsSwitchedOffLive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bounded := retry.NewBudget(retry.BudgetOptions{Min: 2, Ratio: -1})
		unlimited := bounded.With(retry.BudgetOptions{Unlimited: true})
		again := unlimited.With(retry.BudgetOptions{Min: 2, Ratio: -1})
		policy := func(b *retry.Budget) holdfast.Policy {
			return constant(retry.Options{MaxAttempts: 4, InitialInterval: time.Second, Budget: b})
		}
		run := func(p holdfast.Policy, leave time.Duration) int {
			ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
			defer cancel()
			time.AfterFunc(leave, cancel)
			s := &script{results: []holdfast.Result{failure()}}
			send(ctx, true, s, p)
			return len(s.sends)
		}
		first, second, third := policy(bounded), policy(unlimited), policy(again)
		if n := run(second, time.Hour); n != 4 || again.Stats("t").Tokens != 2 {
			t.Errorf("%d sends without a bound, which left %+v", n, again.Stats("t"))
		}
		if n := run(first, 1500*time.Millisecond); n != 2 || again.Stats("t").Tokens != 1 {
			t.Errorf("%d sends by the first, which left %+v", n, again.Stats("t"))
		}
		if n := run(second, 1500*time.Millisecond); n != 2 || again.Stats("t").Tokens != 1 {
			t.Errorf("%d sends without a bound, which left %+v", n, again.Stats("t"))
		}
		if n := run(third, time.Hour); n != 2 || again.Stats("t").Tokens != 0 {
			t.Errorf("%d sends, which left %+v", n, again.Stats("t"))
		}
		if n := run(first, time.Hour); n != 1 {
			t.Errorf("%d sends by the first, when nothing was left", n)
		}
	})
}

// A repeat that was sent, and that a policy further in has sent once more in vain, was sent.
func TestARepeatThatWasMovedInVainWasSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		moves := holdfast.PolicyFunc(func(next holdfast.Handler) holdfast.Handler {
			return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
				if call.Attempt > 1 {
					next(ctx, call).Discard()
					call = call.Again()
				}
				return next(ctx, call)
			}
		})
		b := retry.NewBudget(retry.BudgetOptions{})
		s := &script{results: []holdfast.Result{failure(), failure(), {Err: errBoom, Class: holdfast.LocalShortage}}}
		send(t.Context(), true, s, retry.New(retry.Options{MaxAttempts: 2, Budget: b}), moves)
		if got := b.Stats("t"); len(s.sends) != 3 || got.Withdrawn != 1 || got.Refunded != 0 {
			t.Errorf("%d sends, %+v", len(s.sends), got)
		}
	})
}
