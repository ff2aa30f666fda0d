package retry_test

import (
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/clock"
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

// What a success has paid in is there for nine tenths of the Window at least, and for the Window at most.
func TestT50_WhatWasPaidInIsForgottenAfterAWindow(t *testing.T) {
	for _, into := range []time.Duration{0, 300 * time.Millisecond, 990 * time.Millisecond} { // a tenth of it
		synctest.Test(t, func(t *testing.T) {
			const tenth = time.Second
			time.Sleep(tenth - time.Duration(clock.Now()-clock.Turn(clock.Now(), int64(tenth))*int64(tenth)) + into)
			b := retry.NewBudget(retry.BudgetOptions{Ratio: 1, Min: -1})
			b.Deposit("t")
			start := time.Now()
			for b.Stats("t").Tokens > 0 {
				time.Sleep(10 * time.Millisecond)
			}
			if kept := time.Since(start); kept != 10*tenth-into {
				t.Errorf("paid in %v after a tenth has begun, it was kept for %v", into, kept)
			}
		})
	}
}

// A success never leaves more than the latest Budget lets a target save, also where another one has
// let it save more before and lets it again.
func TestR01_ASuccessPaysInNoMoreThanMayBeSaved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := retry.NewBudget(retry.BudgetOptions{Ratio: 1, Min: -1})
		for range 99 {
			b.Deposit("t")
		}
		low := b.With(retry.BudgetOptions{Ratio: 0.01, Min: -1})
		low.Deposit("t")
		if again := low.With(retry.BudgetOptions{Ratio: 1, Min: -1}); math.Abs(again.Stats("t").Tokens-1) > 1e-9 {
			t.Errorf("%v tokens, want one", again.Stats("t").Tokens)
		}
	})
}

// A call under way by a Budget from before, which lets a target save less, takes one token and no more.
func TestABudgetFromBeforeTakesNothingFromALaterOne(t *testing.T) {
	b := retry.NewBudget(retry.BudgetOptions{Min: 1})
	later := b.With(retry.BudgetOptions{Ratio: 1, Min: 1})
	for range 20 {
		later.Deposit("t")
	}
	if !b.Withdraw("t") || later.Stats("t").Tokens != 19 {
		t.Errorf("%v tokens, want 19", later.Stats("t").Tokens)
	}
	b.Deposit("t")
	b.Refund("t")
	if got := later.Stats("t").Tokens; got != 20.2 {
		t.Errorf("%v tokens, want 20.2", got)
	}
}

// Looks between two changes of the Window make no difference.
func TestLooksBetweenChangesMakeNoDifference(t *testing.T) {
	tokens := func(look bool) (got float64) {
		synctest.Test(t, func(t *testing.T) {
			o := retry.BudgetOptions{Ratio: 1, Min: -1, Window: time.Minute}
			b := retry.NewBudget(o)
			for range 60 {
				b.Deposit("t")
				time.Sleep(500 * time.Millisecond)
			}
			for _, window := range []time.Duration{10 * time.Second, time.Minute, 20 * time.Second, 30 * time.Second} { // the middle of the newest bucket is in each
				o.Window = window
				b = b.With(o)
				if look {
					b.Stats("t")
					for range b.Figures {
					}
				}
			}
			got = b.Stats("t").Tokens
		})
		return got
	}
	if with, without := tokens(true), tokens(false); with != without || with == 0 {
		t.Errorf("%v tokens with looks in between, %v without", with, without)
	}
}

// Budgets are changed from everywhere at once, under calls: in the end all follow the latest one, and the
// tokens agree with what was drawn.
func TestBudgetsAreChangedAtOnce(t *testing.T) {
	const least = 100_000
	b := retry.NewBudget(retry.BudgetOptions{Min: least, Ratio: -1})
	var mu sync.Mutex
	latest := b
	var spent atomic.Int64
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() {
			mine := b
			for i := range 500 {
				switch (i + worker) % 4 {
				case 0:
					mine = mine.With(retry.BudgetOptions{Min: least, Ratio: -1, Window: time.Duration(1+i%7) * time.Second, MaxTargets: 1 + i%3})
				case 1:
					mine.Stats("t")
					for range mine.Figures {
					}
				default:
					if mine.Withdraw("t") {
						if spent.Add(1); i%3 == 0 {
							spent.Add(-1)
							mine.Refund("t")
						}
					}
				}
			}
			mu.Lock()
			latest = mine.With(retry.BudgetOptions{Min: least, Ratio: -1, Window: 7 * time.Second, MaxTargets: 5})
			mu.Unlock()
		})
	}
	wg.Wait()
	if s := latest.Stats("t"); s.Tokens != float64(least-spent.Load()) || s.Withdrawn-s.Refunded != uint64(spent.Load()) {
		t.Errorf("%+v, and %d were spent", s, spent.Load())
	}
	if o := latest.Options(); o.Window != 7*time.Second || o.MaxTargets != 5 {
		t.Errorf("in force: %+v", o)
	}
}
