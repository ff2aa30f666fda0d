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

// T33: what we refused ourselves is not repeated.
func TestT33_LocalRejectionsAreNotRepeated(t *testing.T) {
	reject := holdfast.PolicyFunc(func(holdfast.Handler) holdfast.Handler {
		return func(context.Context, *holdfast.Call) holdfast.Result {
			return holdfast.Result{Err: errBoom, Code: "breaker_open"}
		}
	})
	var stopped []holdfast.Event
	r := retry.New(retry.Options{OnStop: func(_ context.Context, e holdfast.Event) { stopped = append(stopped, e) }})
	s := &script{results: []holdfast.Result{success()}}
	res, _ := send(t.Context(), true, s, r, reject)
	if res.Err != errBoom || len(s.sends) != 0 || len(stopped) != 1 || stopped[0].Code != "breaker_open" || stopped[0].Class != holdfast.Ignored || stopped[0].Reason != "breaker_open" || stopped[0].Detail != "breaker open" {
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
			InitialInterval: time.Second, OverloadInterval: 2 * time.Second,
			OnRetry: func(ctx context.Context, e holdfast.Event) {
				log = append(log, fmt.Sprint(e.Kind, " ", ctx.Value(key{}), e.Level, e.Policy, e.Target, e.Method, e.Attempt, e.Class, e.Code, e.Err, e.Wait, e.Reason, e.Detail))
			},
			OnStop: func(ctx context.Context, e holdfast.Event) {
				log = append(log, fmt.Sprint(e.Kind, " ", ctx.Value(key{}), e.Level, e.Policy, e.Attempt, e.Code, e.Wait, " ", e.Reason, ": ", e.Detail))
			},
		})
		s := &script{results: []holdfast.Result{failure(), status(holdfast.Overload, "429", 0), status(holdfast.Failure, "503", 0)}}
		send(context.WithValue(t.Context(), key{}, "caller "), true, s, r)
		want := "retry caller INFOretrytm1failureerrorboom1s|retry caller INFOretrytm2overload429<nil>2s|retry_stopped caller WARNretry3 503 0s attempts: 3 attempts made"
		if got := strings.ReplaceAll(strings.Join(log, "|"), " ", ""); got != strings.ReplaceAll(want, " ", "") {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	})
}

// Where a hedge failed last, the event is of the hedge.
func TestAnEventIsOfTheAttemptThatFailed(t *testing.T) {
	var told []holdfast.Event
	note := func(_ context.Context, e holdfast.Event) { told = append(told, e) }
	hedged := holdfast.PolicyFunc(func(next holdfast.Handler) holdfast.Handler {
		return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
			first, hedge := next(ctx, call), next(ctx, call.Again())
			first.Discard()
			return hedge
		}
	})
	s := &script{results: []holdfast.Result{failure()}}
	send(t.Context(), true, s, constant(retry.Options{MaxAttempts: 2, InitialInterval: -1, OnRetry: note, OnStop: note}), hedged)
	if len(told) != 2 || told[0].Attempt != 2 || told[1].Attempt != 4 {
		t.Errorf("%+v", told)
	}
}

// What a user's function panics with reaches the caller, and takes nothing with
// it: the token comes back, and the answer is discarded once.
func TestAPanicOfAUsersFunctionLeaksNothing(t *testing.T) {
	leave := func(context.Context, holdfast.Event) { panic("the user's") }
	for name, o := range map[string]retry.Options{
		"OnRetry":             {OnRetry: leave},
		"OnStop":              {OnStop: leave, MaxAttempts: 1},
		"OnStop in the end":   {OnStop: leave, Jitter: retry.Constant},
		"Backoff":             {Backoff: func() backoff.BackOff { panic("the user's") }},
		"a wait of a Backoff": {Backoff: func() backoff.BackOff { return broken{} }},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := retry.New(o)
				s := &script{results: []holdfast.Result{status(holdfast.Failure, "503", 0)}}
				func() {
					defer func() {
						if recover() != "the user's" {
							t.Error("the panic was lost")
						}
					}()
					send(t.Context(), true, s, r)
				}()
				if s.discards != len(s.sends) {
					t.Errorf("%d of %d answers discarded", s.discards, len(s.sends))
				}
				if got := r.Budget().Stats("t"); got.Tokens != 5-float64(len(s.sends)-1) {
					t.Errorf("budget %+v after %d sends", got, len(s.sends))
				}
			})
		})
	}
}

// broken is a schedule that panics.
type broken struct{}

func (broken) Reset()                     {}
func (broken) NextBackOff() time.Duration { panic("the user's") }

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

// A callback that panics keeps no listener from being told.
func TestACallbackThatPanicsStopsNoListener(t *testing.T) {
	for kind, o := range map[string]retry.Options{
		"retry":         {InitialInterval: -1, OnRetry: func(context.Context, holdfast.Event) { panic("mine") }},
		"retry_stopped": {InitialInterval: -1, MaxAttempts: 1, OnStop: func(context.Context, holdfast.Event) { panic("mine") }},
	} {
		var heard []string
		listener := holdfast.NewListener(func(_ context.Context, e holdfast.Event) { heard = append(heard, e.Kind) })
		listen := holdfast.PolicyFunc(func(next holdfast.Handler) holdfast.Handler {
			return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
				call.Record.Listen(listener)
				return next(ctx, call)
			}
		})
		func() {
			defer func() {
				if recover() != "mine" {
					t.Errorf("%s: the panic is lost", kind)
				}
			}()
			_, _ = holdfast.Do(t.Context(), holdfast.Chain(listen, retry.New(o)), holdfast.Call{Target: "t", Repeatable: true}, func(context.Context) (int, error) {
				return 0, holdfast.Mark(errors.New("x"), holdfast.Failure, 0)
			})
		}()
		if len(heard) != 1 || heard[0] != kind {
			t.Errorf("%s: %q were heard", kind, heard)
		}
	}
}

// Why a retry stops is a word in lower case, also where the code is gRPC's.
func TestTheReasonIsAWord(t *testing.T) {
	var reasons []string
	p := retry.New(retry.Options{OnStop: func(_ context.Context, e holdfast.Event) { reasons = append(reasons, e.Reason) }})
	h := holdfast.Chain(p, holdfast.PolicyFunc(func(holdfast.Handler) holdfast.Handler {
		return func(context.Context, *holdfast.Call) holdfast.Result {
			return holdfast.Result{Err: context.Canceled, Class: holdfast.Ignored, Code: "CANCELLED"}
		}
	}))
	_, _ = holdfast.Do(t.Context(), h, holdfast.Call{Target: "t"}, func(context.Context) (int, error) { return 1, nil })
	if len(reasons) != 1 || reasons[0] != "cancelled" {
		t.Errorf("%q", reasons)
	}
}

// What stops while it waits says what the attempt before came to.
func TestWhatEndsWhileItWaitsTellsOfTheAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told []holdfast.Event
		p := retry.New(retry.Options{InitialInterval: time.Hour, MaxInterval: time.Hour, OnStop: func(_ context.Context, e holdfast.Event) { told = append(told, e) }})
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Millisecond, cancel)
		_, _ = holdfast.Do(ctx, holdfast.Chain(p), holdfast.Call{Target: "t", Repeatable: true}, func(context.Context) (int, error) { return 0, errors.New("x") })
		if len(told) != 1 || told[0].Attempt != 1 || told[0].Class != holdfast.Failure || told[0].Code != holdfast.CodeError || told[0].Reason != "ended" || !errors.Is(told[0].Err, context.Canceled) {
			t.Errorf("%+v", told)
		}
	})
}
