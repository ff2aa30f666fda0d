package retry_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/retry"
)

// outcome is a transport that fails or succeeds as told, and counts.
type outcome struct {
	sends  atomic.Int64
	broken atomic.Bool
	once   atomic.Bool // only the next attempt fails
	takes  time.Duration
}

func (o *outcome) Send(context.Context, *holdfast.Call) holdfast.Result {
	o.sends.Add(1)
	if o.takes > 0 {
		time.Sleep(o.takes)
	}
	if o.broken.Load() || o.once.Swap(false) {
		return failure()
	}
	return holdfast.Result{Class: holdfast.Success, Reply: new(silent)}
}

type silent struct{ holdfast.Ending }

func (*silent) Discard() {}

func call(ctx context.Context, h holdfast.Handler, target string, s holdfast.Sender) holdfast.Result {
	return h(ctx, &holdfast.Call{Target: target, Repeatable: true, Sender: s})
}

// T36: with a dead backend and any concurrency from 1 to 64, attempts per call
// are at most 1 + ratio + floor/rate, measured over 10 s.
func TestT36_ADeadBackendIsNotStormed(t *testing.T) {
	for _, workers := range []int{1, 2, 4, 16, 64} {
		t.Run(fmt.Sprint(workers, " workers"), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := &outcome{takes: 10 * time.Millisecond}
				o.broken.Store(true)
				h := holdfast.Chain(retry.New(retry.Options{}))
				var calls atomic.Int64
				var wg sync.WaitGroup
				start := time.Now()
				for range workers {
					wg.Go(func() {
						for time.Since(start) < 10*time.Second {
							calls.Add(1)
							call(t.Context(), h, "t", o)
						}
					})
				}
				wg.Wait()
				if extra := o.sends.Load() - calls.Load(); extra != 5 {
					t.Errorf("%d repeats over %d calls, want the five that are not funded by successes", extra, calls.Load())
				}
			})
		})
	}
}

// T37: a repeat that the budget refuses returns the last real result at once, and
// the refusal is an event and a counter.
func TestT37_ARefusedRepeatIsImmediateAndVisible(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var events []holdfast.Event
		r := retry.New(retry.Options{
			Budget: retry.NewBudget(retry.BudgetOptions{Min: -1}),
			OnStop: func(_ context.Context, e holdfast.Event) { events = append(events, e) },
		})
		s := &script{results: []holdfast.Result{status(holdfast.Failure, "503", 0)}}
		start := time.Now()
		res, record := send(t.Context(), true, s, r)
		if time.Since(start) != 0 || res.Reply == nil || s.discards != 0 || len(s.sends) != 1 {
			t.Errorf("%+v after %v and %d sends, want the 503 at once", res, time.Since(start), len(s.sends))
		}
		if len(events) != 1 || events[0].Reason != "budget" || events[0].Detail != "budget empty" || events[0].Level != slog.LevelWarn || record.Ledger().Stopped != "budget empty" {
			t.Errorf("events %+v, ledger %v", events, record.Ledger())
		}
		if got := r.Budget().Stats("t"); got.Refused != 1 || got.Withdrawn != 0 {
			t.Errorf("figures %+v, want one refusal", got)
		}
	})
}

// T40: one dead target does not silence repeats to others.
func TestT40_TargetsHaveAccountsOfTheirOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := new(outcome)
		o.broken.Store(true)
		r := retry.New(retry.Options{})
		h := holdfast.Chain(r)
		for range 50 {
			call(t.Context(), h, "dead", o)
		}
		before := o.sends.Load()
		call(t.Context(), h, "other", o)
		if got := o.sends.Load() - before; got != 3 {
			t.Errorf("%d attempts for the other target, want 3", got)
		}
		if dead, other := r.Budget().Stats("dead"), r.Budget().Stats("other"); dead.Tokens != 0 || other.Tokens != 3 {
			t.Errorf("dead %+v, other %+v", dead, other)
		}
	})
}

// T41: 64 goroutines at the limit never exceed it.
func TestT41_TheLimitIsRaceFree(t *testing.T) {
	for range 20 {
		b := retry.NewBudget(retry.BudgetOptions{Min: 10})
		var granted atomic.Int64
		var wg sync.WaitGroup
		for range 64 {
			wg.Go(func() {
				for range 10 {
					if b.Withdraw("t") {
						granted.Add(1)
					}
				}
			})
		}
		wg.Wait()
		if got := b.Stats("t"); granted.Load() != 10 || got.Withdrawn != 10 || got.Refused != 630 {
			t.Fatalf("%d granted, %+v; want 10", granted.Load(), got)
		}
	}
}

// T42: under one call a second, a first repeat is allowed; and R3: the first
// attempt never asks the budget.
func TestT42_LowTrafficIsNotLockedOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := new(outcome)
		h := holdfast.Chain(retry.New(retry.Options{}))
		for range 20 { // one call in five fails once, every 7 s
			for range 4 {
				call(t.Context(), h, "t", o)
				time.Sleep(7 * time.Second)
			}
			o.once.Store(true)
			before := o.sends.Load()
			res := call(t.Context(), h, "t", o)
			if n := o.sends.Load() - before; n != 2 || res.Class != holdfast.Success {
				t.Fatalf("a rare failure took %d attempts and ended as %v, want it repeated once", n, res.Class)
			}
			time.Sleep(7 * time.Second)
		}
	})
}

func TestR03_FirstAttemptsAreFree(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := new(outcome)
		o.broken.Store(true)
		h := holdfast.Chain(retry.New(retry.Options{Budget: retry.NewBudget(retry.BudgetOptions{Min: -1, Ratio: -1})}))
		start := time.Now()
		for range 1000 {
			call(t.Context(), h, "t", o)
		}
		if o.sends.Load() != 1000 || time.Since(start) != 0 {
			t.Errorf("%d first attempts in %v, want all 1000, none delayed", o.sends.Load(), time.Since(start))
		}
	})
}

// R1: in every window, repeats are at most ratio × the successes completed since
// ten seconds before it, plus the minimum. A property over random schedules.
func TestR01_BudgetInvariant(t *testing.T) {
	for seed := range uint64(40) {
		synctest.Test(t, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 1))
			const ratio, floor = 0.2, 5
			b := retry.NewBudget(retry.BudgetOptions{})
			type at struct {
				when    time.Duration
				success bool
			}
			var log []at
			start := time.Now()
			deposit, withdraw := 0.25, 0.25
			for i := range 4000 {
				if i%200 == 0 { // another weather: good, bad, mixed, quiet
					deposit, withdraw = []float64{0.9, 0, 0.25, 0.1}[rng.IntN(4)], []float64{0.05, 0.9, 0.25, 0.1}[rng.IntN(4)]
				}
				switch x := rng.Float64() * max(1, deposit+withdraw); {
				case x < withdraw:
					if b.Withdraw("t") {
						log = append(log, at{time.Since(start), false})
					}
				case x < deposit+withdraw:
					b.Deposit("t")
					log = append(log, at{time.Since(start), true})
				default:
					time.Sleep(time.Duration(rng.ExpFloat64() * float64(rng.IntN(300)) * float64(time.Millisecond)))
				}
			}
			for i := range log { // windows that begin at a repeat
				if log[i].success {
					continue
				}
				successes, repeats := 0, 0
				for j := i - 1; j >= 0 && log[i].when-log[j].when <= 10*time.Second; j-- {
					if log[j].success {
						successes++
					}
				}
				for j := i; j < len(log); j++ {
					if log[j].success {
						successes++
					} else {
						repeats++
					}
					if float64(repeats) > ratio*float64(successes)+floor+1e-6 {
						t.Fatalf("seed %d: %d repeats from %v to %v with %d successes", seed, repeats, log[i].when, log[j].when, successes)
					}
				}
			}
		})
	}
}

// R2, for retry alone: in 60 s in which everything fails at once, attempts per
// call are at most 1.05 for a busy client and 1.15 over a thousand small ones.
func TestR02_AnOutageIsNotAmplified(t *testing.T) {
	for _, c := range []struct {
		clients int
		every   time.Duration
		most    float64
	}{
		{1, time.Second / 50, 1.05},
		{1, time.Second / 700, 1.05},
		{1000, 10 * time.Second / 7, 1.15},
	} {
		t.Run(fmt.Sprint(c.clients, " clients, a call every ", c.every), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := new(outcome)
				o.broken.Store(true)
				var calls atomic.Int64
				var wg sync.WaitGroup
				for range c.clients {
					h := holdfast.Chain(retry.New(retry.Options{}))
					wg.Go(func() {
						for start := time.Now(); time.Since(start) < time.Minute; time.Sleep(c.every) {
							calls.Add(1)
							call(t.Context(), h, "t", o)
						}
					})
				}
				wg.Wait()
				if got := float64(o.sends.Load()) / float64(calls.Load()); got > c.most || o.sends.Load() != calls.Load()+int64(5*c.clients) {
					t.Errorf("%v attempts per call, %d in all, want at most %v", got, o.sends.Load(), c.most)
				}
			})
		})
	}
}
