package retry_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/retry"
)

// A script is a transport that answers attempt after attempt with the next of
// its Results, the last one again and again. It takes a time for each.
type script struct {
	mu       sync.Mutex
	results  []holdfast.Result
	takes    time.Duration
	sends    []time.Time
	calls    []*holdfast.Call
	discards int
}

func (s *script) Send(ctx context.Context, call *holdfast.Call) holdfast.Result {
	s.mu.Lock()
	res := s.results[min(len(s.sends), len(s.results)-1)]
	s.sends = append(s.sends, time.Now())
	s.calls = append(s.calls, call)
	s.mu.Unlock()
	if s.takes > 0 {
		time.Sleep(s.takes)
	}
	if res.Err == nil {
		res.Reply = &answer{of: s}
	}
	return res
}

type answer struct {
	holdfast.Ending
	of *script
}

func (a *answer) Discard() {
	if a.Finish(holdfast.End{Class: holdfast.Success}) {
		a.of.mu.Lock()
		a.of.discards++
		a.of.mu.Unlock()
	}
}

var errBoom = errors.New("boom")

func failure() holdfast.Result {
	return holdfast.Result{Err: errBoom, Class: holdfast.Failure, Code: "error"}
}

func status(class holdfast.Class, code string, after time.Duration) holdfast.Result {
	return holdfast.Result{Class: class, Code: code, After: after}
}

func success() holdfast.Result { return holdfast.Result{Class: holdfast.Success, Code: "ok"} }

// send makes one call through the policies to a script.
func send(ctx context.Context, repeatable bool, s *script, policies ...holdfast.Policy) (holdfast.Result, *holdfast.Record) {
	record := new(holdfast.Record)
	call := &holdfast.Call{Target: "t", Method: "m", Repeatable: repeatable, Sender: s, Record: record}
	return holdfast.Chain(policies...)(ctx, call), record
}

// constant is a Retry whose waits are all known.
func constant(o retry.Options) *retry.Retry {
	o.Jitter = retry.Constant
	return retry.New(o)
}

// The decision, and no other: told not to, refused, failed and repeatable.
func TestT19_OnlyWhatDoesNoHarmIsRepeated(t *testing.T) {
	const no, yes = 1, 2
	for _, c := range []struct {
		class      holdfast.Class
		after      time.Duration
		repeatable bool
		sends      int
		why        string
	}{
		{holdfast.Failure, 0, true, yes, ""},
		{holdfast.Failure, 0, false, no, "not repeatable"},
		{holdfast.Failure, time.Millisecond, true, yes, ""},
		{holdfast.Failure, -1, true, no, "told not to repeat"},
		{holdfast.Overload, 0, true, yes, ""},
		{holdfast.Overload, 0, false, no, "not repeatable"},
		{holdfast.Overload, -1, true, no, "told not to repeat"},
		{holdfast.Refused, 0, true, yes, ""},
		{holdfast.Refused, 0, false, yes, ""},
		{holdfast.Refused, -1, false, no, "told not to repeat"},
		{holdfast.Ignored, 0, true, no, "no failure of the server"},
		{holdfast.Ignored, -1, true, no, "no failure of the server"},
		{99, 0, true, no, "no failure of the server"},
	} {
		t.Run(fmt.Sprintf("%v After %v repeatable %v", c.class, c.after, c.repeatable), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &script{results: []holdfast.Result{status(c.class, "x", c.after), success()}}
				_, record := send(t.Context(), c.repeatable, s, retry.New(retry.Options{}))
				if len(s.sends) != c.sends || s.discards != c.sends-1 {
					t.Errorf("%d sends and %d discards, want %d sends", len(s.sends), s.discards, c.sends)
				}
				if got := record.Ledger().Stopped; got != c.why {
					t.Errorf("stopped because %q, want %q", got, c.why)
				}
			})
		})
	}
}

// T22: jitter never makes the wait shorter than the server asked.
func TestT22_JitterNeverUndercutsTheServersWish(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for range 300 {
			s := &script{results: []holdfast.Result{status(holdfast.Overload, "429", 3*time.Second), success()}}
			send(t.Context(), true, s, retry.New(retry.Options{}))
			if got := s.sends[1].Sub(s.sends[0]); got < 3*time.Second || got > 3300*time.Millisecond {
				t.Fatalf("waited %v, want the server's 3 s and at most a tenth on top", got)
			}
		}
	})
}

// T23: a wait that would pass the deadline is not begun; the last real result
// comes back at once. R8 is the same sentence.
func TestT23_AWaitThatPassesTheDeadlineIsNotBegun(t *testing.T) { waitMustFit(t) }
func TestR08_DeadlineFit(t *testing.T)                          { waitMustFit(t) }

func waitMustFit(t *testing.T) {
	for name, c := range map[string]struct {
		left  time.Duration
		after time.Duration
		takes time.Duration // of each attempt
		sends int
		why   string
	}{
		"server's wish":       {300 * time.Millisecond, time.Second, 0, 1, "300 ms left < 1 s wait"},
		"own wait":            {180 * time.Millisecond, 0, 0, 1, "180 ms left < 250 ms wait"},
		"no time to try":      {253 * time.Millisecond, 0, 0, 1, "253 ms left < 250 ms wait and 5 ms for the attempt"},
		"it fits":             {255 * time.Millisecond, 0, 0, 2, "255 ms left"}, // the second stop: no room any more
		"the wish just fits":  {1005 * time.Millisecond, time.Second, 0, 2, ""},
		"attempts take times": {400 * time.Millisecond, 0, 200 * time.Millisecond, 1, "200 ms left < 250 ms wait"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), c.left)
				defer cancel()
				start := time.Now()
				s := &script{results: []holdfast.Result{status(holdfast.Failure, "503", c.after)}, takes: c.takes}
				res, record := send(ctx, true, s, constant(retry.Options{Attempts: 2, Base: 250 * time.Millisecond, OverloadBase: 250 * time.Millisecond}))
				if res.Err != nil || res.Reply == nil || res.Code != "503" {
					t.Errorf("got %+v, want the 503 as it came", res)
				}
				if len(s.sends) != c.sends {
					t.Errorf("%d sends, want %d", len(s.sends), c.sends)
				}
				if c.sends > 1 {
					return
				}
				if took := time.Since(start); took != c.takes {
					t.Errorf("came back after %v, want at once", took)
				}
				if got := record.Ledger().Stopped; got != c.why {
					t.Errorf("stopped because %q, want %q", got, c.why)
				}
			})
		})
	}
}

// T24: too long a Retry-After stops the repeats, and says so.
func TestT24_TooLongAWishStopsAndSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, after := range []time.Duration{90 * time.Second, 1<<63 - 1} {
			start := time.Now()
			s := &script{results: []holdfast.Result{status(holdfast.Overload, "429", after)}}
			res, record := send(t.Context(), true, s, retry.New(retry.Options{}))
			if len(s.sends) != 1 || time.Since(start) != 0 || res.After != after || res.Reply == nil {
				t.Errorf("%d sends in %v, %+v; want the answer with its hint at once", len(s.sends), time.Since(start), res)
			}
			if why := record.Ledger().Stopped; !strings.Contains(why, "> 60 s cap") {
				t.Errorf("stopped because %q", why)
			}
		}
		s := &script{results: []holdfast.Result{status(holdfast.Overload, "429", 90*time.Second)}}
		_, record := send(t.Context(), true, s, retry.New(retry.Options{}))
		if got, want := record.Ledger().Stopped, "server asked for 90 s > 60 s cap"; got != want {
			t.Errorf("stopped because %q, want %q", got, want)
		}
	})
}

// T25: no wait after the last attempt.
func TestT25_NoWaitAfterTheLastAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		s := &script{results: []holdfast.Result{failure()}}
		res, _ := send(t.Context(), true, s, constant(retry.Options{Base: time.Second}))
		if took := time.Since(start); took != 2*time.Second || len(s.sends) != 3 {
			t.Errorf("%d sends in %v, want three with two waits of a second", len(s.sends), took)
		}
		var all *holdfast.AttemptsError
		if !errors.As(res.Err, &all) || !errors.Is(res.Err, errBoom) || errors.Unwrap(res.Err) != errBoom {
			t.Fatalf("error %v, want the last one with the ledger", res.Err)
		}
		if got := all.Ledger; len(got.Attempts) != 3 || got.Stopped != "3 attempts made" || got.Attempts[2].Number != 3 {
			t.Errorf("ledger %v", got)
		}
	})
}

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
				r := constant(retry.Options{Base: time.Second})
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
		_, err := holdfast.Do(t.Context(), h, holdfast.Call{Repeatable: true}, hang(&sends))
		if sends != 3 || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%d sends, %v; want each attempt to have its own time", sends, err)
		}
		for _, left := range []time.Duration{50 * time.Millisecond, 90 * time.Millisecond} {
			ctx, cancel := context.WithTimeout(t.Context(), left)
			sends = 0
			_, err = holdfast.Do(ctx, h, holdfast.Call{Repeatable: true}, hang(&sends))
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

// T33: what we refused ourselves is not repeated.
func TestT33_LocalRejectionsAreNotRepeated(t *testing.T) {
	reject := holdfast.PolicyFunc(func(holdfast.Handler) holdfast.Handler {
		return func(context.Context, *holdfast.Call) holdfast.Result {
			return holdfast.Result{Err: errBoom, Code: "breaker_open"}
		}
	})
	var stopped []retry.Event
	r := retry.New(retry.Options{OnStop: func(_ context.Context, e retry.Event) { stopped = append(stopped, e) }})
	s := &script{results: []holdfast.Result{success()}}
	res, _ := send(t.Context(), true, s, r, reject)
	if res.Err != errBoom || len(s.sends) != 0 || len(stopped) != 1 || stopped[0].Code != "breaker_open" || stopped[0].Class != holdfast.Ignored {
		t.Errorf("%+v, stopped %+v; want the rejection as it came, told apart from failures", res, stopped)
	}
}

// T34 and T35: hooks learn number, reason and code of each attempt, in a context
// with the caller's values; OnRetry runs only when a repeat is really made.
func TestT34_T35_HooksLearnEverythingUnderTheCallersContext(t *testing.T) {
	type key struct{}
	synctest.Test(t, func(t *testing.T) {
		var log []string
		r := constant(retry.Options{
			Base: time.Second, OverloadBase: 2 * time.Second,
			OnRetry: func(ctx context.Context, e retry.Event) {
				log = append(log, fmt.Sprint("retry ", ctx.Value(key{}), e.Target, e.Method, e.Attempt, e.Class, e.Code, e.Err, e.Wait, e.Reason))
			},
			OnStop: func(ctx context.Context, e retry.Event) {
				log = append(log, fmt.Sprint("stop ", ctx.Value(key{}), e.Attempt, e.Code, e.Reason))
			},
		})
		s := &script{results: []holdfast.Result{failure(), status(holdfast.Overload, "429", 0), status(holdfast.Failure, "503", 0)}}
		send(context.WithValue(t.Context(), key{}, "caller "), true, s, r)
		want := "retry caller tm1failureerrorboom1s|retry caller tm2overload429<nil>2s|stop caller 3 503 3 attempts made"
		if got := strings.ReplaceAll(strings.Join(log, "|"), " ", ""); got != strings.ReplaceAll(want, " ", "") {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	})
}

// A callback that panics takes nothing with it: the token comes back, the
// discarded answer is discarded once, and the panic reaches the caller.
func TestAPanickingCallbackLeaksNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := retry.New(retry.Options{OnRetry: func(context.Context, retry.Event) { panic("callback") }})
		s := &script{results: []holdfast.Result{status(holdfast.Failure, "503", 0)}}
		func() {
			defer func() {
				if recover() != "callback" {
					t.Error("the panic was lost")
				}
			}()
			send(t.Context(), true, s, r)
		}()
		if got := r.Budget().Stats("t"); got.Tokens != 5 || s.discards != 1 {
			t.Errorf("budget %+v, %d discards", got, s.discards)
		}
	})
}

func TestAPanicOrExitFurtherInGoesThrough(t *testing.T) {
	for name, leave := range map[string]func(){"panic": func() { panic("inside") }, "Goexit": runtime.Goexit} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := constant(retry.Options{})
				n := 0
				var wg sync.WaitGroup
				wg.Go(func() {
					defer func() { _ = recover() }()
					_, _ = holdfast.Do(t.Context(), holdfast.Chain(r), holdfast.Call{Target: "t", Repeatable: true}, func(context.Context) (int, error) {
						if n++; n == 2 {
							leave()
						}
						return 0, errBoom
					})
					t.Error("it was swallowed")
				})
				wg.Wait()
				if got := r.Budget().Stats("t"); got.Withdrawn != 1 || got.Refunded != 0 {
					t.Errorf("budget %+v, want the sent repeat paid for", got)
				}
			})
		})
	}
}

// A repeat that a policy further in rejects was never sent: its token comes back.
func TestARepeatThatIsNeverSentIsRefunded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rejectSecond := holdfast.PolicyFunc(func(next holdfast.Handler) holdfast.Handler {
			return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
				if call.Attempt > 1 {
					return holdfast.Result{Err: errBoom, Code: "limit"}
				}
				return next(ctx, call)
			}
		})
		r := constant(retry.Options{})
		s := &script{results: []holdfast.Result{failure()}}
		send(t.Context(), true, s, r, rejectSecond)
		if got := r.Budget().Stats("t"); got.Withdrawn != 1 || got.Refunded != 1 || got.Tokens != 5 {
			t.Errorf("budget %+v, want the token back", got)
		}
	})
}

func TestASuccessAfterRepeatsIsReturnedAsItCame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{results: []holdfast.Result{failure(), failure(), success()}}
		r := constant(retry.Options{})
		res, record := send(t.Context(), true, s, r)
		if res.Err != nil || res.Reply == nil || res.Class != holdfast.Success || s.discards != 0 {
			t.Errorf("got %+v", res)
		}
		if got := record.Ledger(); len(got.Attempts) != 3 || got.Stopped != "" || got.Attempts[2].Code != "ok" {
			t.Errorf("ledger %v", got)
		}
		if got := r.Budget().Stats("t"); got.Successes != 1 {
			t.Errorf("%d successes paid in, want the call's one", got.Successes)
		}
		for i, call := range s.calls {
			if call.Attempt != i+1 {
				t.Errorf("attempt %d has the number %d", i+1, call.Attempt)
			}
		}
	})
}

func TestAnAttemptDuringWhichTheCallerLeftIsTheLast(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	r := retry.New(retry.Options{Base: -1})
	_, err := holdfast.Do(ctx, holdfast.Chain(r, holdfast.PolicyFunc(func(next holdfast.Handler) holdfast.Handler {
		return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
			res := next(ctx, call)
			cancel() // after the verdict: a failure of the server
			return res
		}
	})), holdfast.Call{Target: "t", Repeatable: true}, func(context.Context) (int, error) { return 0, errBoom })
	if err != errBoom || r.Budget().Stats("t").Withdrawn != 0 {
		t.Errorf("got %v with %+v, want the error as it came and nothing spent", err, r.Budget().Stats("t"))
	}
}

func TestOneAttemptsErrorStaysItself(t *testing.T) {
	s := &script{results: []holdfast.Result{failure()}}
	if res, _ := send(t.Context(), false, s, retry.New(retry.Options{})); res.Err != errBoom {
		t.Errorf("got %v, want the error itself", res.Err)
	}
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
