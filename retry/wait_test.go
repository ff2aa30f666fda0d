package retry_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/retry"
)

// T26: a cancel during a wait returns at once, keeps the last error and is
// context.Canceled.
func TestT26_CancelDuringAWait(t *testing.T) {
	cause := errors.New("the user went away")
	for name, first := range map[string]holdfast.Result{"after an error": failure(), "after an answer": status(holdfast.Failure, "503", 0)} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancelCause(t.Context())
				time.AfterFunc(300*time.Millisecond, func() { cancel(cause) })
				start := time.Now()
				s := &script{results: []holdfast.Result{first}}
				r := constant(retry.Options{InitialInterval: time.Second})
				res, record := send(ctx, true, s, r)
				if took := time.Since(start); took != 300*time.Millisecond || len(s.sends) != 1 {
					t.Errorf("%d sends in %v, want one, and back at once", len(s.sends), took)
				}
				if !errors.Is(res.Err, context.Canceled) || !errors.Is(res.Err, cause) || res.Class != holdfast.Ignored || res.Code != "cancelled" || res.Reply != nil {
					t.Errorf("got %+v", res)
				}
				if first.Err != nil && !errors.Is(res.Err, errBoom) {
					t.Errorf("the last error is lost in %v", res.Err)
				}
				if got := record.Ledger(); got.Stopped != "ended while waiting" || len(got.Attempts) != 1 {
					t.Errorf("ledger %v", got)
				}
				if got := r.Budget().Stats("t"); got.Withdrawn != 1 || got.Refunded != 1 || got.Tokens != 5 {
					t.Errorf("budget %+v, want the token back", got)
				}
				if first.Err == nil && s.discards != 1 {
					t.Errorf("%d discards, want one", s.discards)
				}
			})
		})
	}
}

// T27: an attempt that ended by a limit of its own is repeated while the caller
// still waits; the caller's own end never is.
func TestT27_OwnTimeoutIsRepeatedTheCallersEndIsNot(t *testing.T) {
	limit := holdfast.PolicyFunc(func(next holdfast.Handler) holdfast.Handler {
		return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
			call.Limit(100 * time.Millisecond)
			ctx, cancel := context.WithTimeoutCause(ctx, 100*time.Millisecond, &holdfast.TimeoutError{Limit: 100 * time.Millisecond, Scope: "attempt"})
			defer cancel()
			return next(ctx, call)
		}
	})
	hang := func(sends *int) func(context.Context) (int, error) {
		return func(ctx context.Context) (int, error) { *sends++; <-ctx.Done(); return 0, ctx.Err() }
	}
	synctest.Test(t, func(t *testing.T) {
		h := holdfast.Chain(constant(retry.Options{}), limit)
		sends := 0
		_, err := holdfast.Do(t.Context(), h, holdfast.Call{Target: "t", Repeatable: true}, hang(&sends))
		if sends != 3 || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%d sends, %v; want each attempt to have its own time", sends, err)
		}
		for _, left := range []time.Duration{50 * time.Millisecond, 90 * time.Millisecond} {
			ctx, cancel := context.WithTimeout(t.Context(), left)
			sends = 0
			_, err = holdfast.Do(ctx, h, holdfast.Call{Target: "t", Repeatable: true}, hang(&sends))
			cancel()
			if sends != 1 || err != context.DeadlineExceeded {
				t.Errorf("%d sends, %v; want one, and the caller's own end as it came", sends, err)
			}
		}
	})
}

// T31: a policy built at start-up still retries days later.
func TestT31_NoHiddenElapsedTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, jitter := range []retry.Jitter{retry.Full, retry.Equal, retry.Decorrelated, retry.Constant} {
			r := retry.New(retry.Options{Jitter: jitter, Budget: retry.NewBudget(retry.BudgetOptions{Unlimited: true})})
			for range 3 {
				time.Sleep(72 * time.Hour)
				s := &script{results: []holdfast.Result{failure()}, takes: 10 * time.Hour} // each attempt is longer than 15 minutes too
				start := time.Now()
				send(t.Context(), true, s, r)
				if waited := time.Since(start) - 30*time.Hour; len(s.sends) != 3 || waited > time.Second {
					t.Fatalf("%d sends, waiting %v, days after New", len(s.sends), waited)
				}
			}
		}
	})
}

func TestSchedulesOfTheUser(t *testing.T) {
	for name, c := range map[string]struct {
		backoff func() backoff.BackOff
		sends   int
		took    time.Duration
		why     string
	}{
		"constant":       {func() backoff.BackOff { return backoff.NewConstantBackOff(time.Minute) }, 3, 2 * time.Minute, "3 attempts made"},
		"one that stops": {func() backoff.BackOff { return backoff.WithMaxRetries(backoff.NewConstantBackOff(time.Second), 1) }, 2, time.Second, "the schedule ended"},
		"stop":           {func() backoff.BackOff { return &backoff.StopBackOff{} }, 1, 0, "the schedule ended"},
		"zero":           {func() backoff.BackOff { return &backoff.ZeroBackOff{} }, 3, 0, "3 attempts made"},
		"nil":            {func() backoff.BackOff { return nil }, 1, 0, "the schedule ended"},
		"for ever":       {func() backoff.BackOff { return backoff.NewConstantBackOff(1<<63 - 1) }, 3, 48 * time.Hour, "3 attempts made"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				s := &script{results: []holdfast.Result{failure()}}
				_, record := send(t.Context(), true, s, retry.New(retry.Options{Backoff: c.backoff}))
				if took := time.Since(start); len(s.sends) != c.sends || took != c.took || record.Ledger().Stopped != c.why {
					t.Errorf("%d sends in %v, %q; want %d in %v, %q", len(s.sends), took, record.Ledger().Stopped, c.sends, c.took, c.why)
				}
			})
		})
	}
}

// T30: the schedule is per call, so that calls at once do not disturb each other.
func TestT30_SchedulesArePerCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		made := 0
		var mu sync.Mutex
		r := retry.New(retry.Options{Budget: retry.NewBudget(retry.BudgetOptions{Unlimited: true}), Backoff: func() backoff.BackOff {
			mu.Lock()
			defer mu.Unlock()
			made++
			return &counting{}
		}})
		h := holdfast.Chain(r)
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				start := time.Now()
				s := &script{results: []holdfast.Result{failure()}}
				h(t.Context(), &holdfast.Call{Repeatable: true, Sender: s})
				if took := time.Since(start); took != 3*time.Second {
					t.Errorf("waited %v, want 1 s and 2 s", took)
				}
			})
			wg.Go(func() { h(t.Context(), &holdfast.Call{Sender: &script{results: []holdfast.Result{success()}}}) })
		}
		wg.Wait()
		if made != 50 {
			t.Errorf("%d schedules made, want one for each call that needed it", made)
		}
	})
}

// counting waits one second longer each time, and is a data race if shared.
type counting struct{ n time.Duration }

func (c *counting) Reset()                     { c.n = 0 }
func (c *counting) NextBackOff() time.Duration { c.n += time.Second; return c.n }
