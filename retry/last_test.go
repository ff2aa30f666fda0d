package retry_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/breaker"
	"github.com/holdfast-go/holdfast/limit"
	"github.com/holdfast-go/holdfast/retry"
)

type sdkError struct{ code int }

func (e *sdkError) Error() string { return "disk full" }

// kept is a Reply that can be put by.
type kept struct {
	answer
	keeps int
	ended bool // when it was put by
}

func (k *kept) Keep() {
	k.keeps++
	k.ended = k.Finish(holdfast.End{Class: holdfast.Failure})
}

// A circuit, a limit or a failure of our own that ends a call midway hides nothing: the
// caller gets the server's last word, with its type, and errors.Is finds the reason.
func TestWhatEndsACallMidwayHidesNothing(t *testing.T) {
	errOwn := errors.New("no body")
	for name, c := range map[string]struct {
		inner holdfast.Policy
		why   error
		stop  string
	}{
		"circuit":                  {breaker.New(breaker.Options{ConsecutiveFailures: 1}), breaker.ErrOpen, "circuit open"},
		"limit":                    {limit.NewRate(limit.RateOptions{PerSecond: 0.001, Burst: 1}), limit.ErrLimited, "limited"},
		"local fault":              {second(holdfast.Result{Err: errOwn, Class: holdfast.LocalFault, Code: holdfast.CodeRequestBody}), errOwn, "request body"},
		"pause, all attempts made": {second(holdfast.Result{Err: errOwn, Class: holdfast.LocalPause, Code: holdfast.CodeTimeout}), errOwn, "2 attempts made"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := retry.New(retry.Options{MaxAttempts: 2, InitialInterval: -1})
				_, err := holdfast.Do(t.Context(), holdfast.Chain(r, c.inner), holdfast.Call{Target: "t", Repeatable: true},
					func(context.Context) (int, error) { return 0, &sdkError{507} })
				var sdk *sdkError
				var all *holdfast.AttemptsError
				if !errors.As(err, &sdk) || sdk.code != 507 || !errors.Is(err, c.why) || !errors.As(err, &all) {
					t.Fatalf("got %v", err)
				}
				if all.Ledger.Stopped != c.stop || len(all.Ledger.Attempts) != 2 {
					t.Errorf("ledger %v, want stopped: %s", all.Ledger, c.stop)
				}
			})
			synctest.Test(t, func(t *testing.T) {
				answer := new(kept)
				answer.of = new(script)
				res, _ := send(t.Context(), true, senderOf(func() holdfast.Result {
					return holdfast.Result{Reply: answer, Class: holdfast.Failure, Code: "503"}
				}), retry.New(retry.Options{MaxAttempts: 2, InitialInterval: -1}), c.inner)
				if name == "circuit" || name == "limit" {
					return // they have decided in the first bubble
				}
				if res.Reply != answer || res.Code != "503" || answer.keeps != 1 || !answer.ended {
					t.Errorf("got %+v, put by %d times", res, answer.keeps)
				}
			})
		})
	}
}

type senderOf func() holdfast.Result

func (f senderOf) Send(context.Context, *holdfast.Call) holdfast.Result { return f() }

// second answers all attempts but the first.
func second(res holdfast.Result) holdfast.Policy {
	return holdfast.PolicyFunc(func(next holdfast.Handler) holdfast.Handler {
		return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
			if call.Attempt > 1 {
				return res
			}
			return next(ctx, call)
		}
	})
}

// An answer is put by before the wait, so that its connection is free, and let go of when a
// better one comes.
func TestAnAnswerIsPutByBeforeTheWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first := new(kept)
		first.of = new(script)
		n := 0
		var freed time.Time
		res, _ := send(t.Context(), true, senderOf(func() holdfast.Result {
			if n++; n == 1 {
				first.OnDone(hookFunc(func() { freed = time.Now() }), 0)
				return holdfast.Result{Reply: first, Class: holdfast.Overload, Code: "429", After: 3 * time.Second}
			}
			return success()
		}), retry.New(retry.Options{}))
		if res.Class != holdfast.Success || time.Since(freed) < 3*time.Second {
			t.Errorf("got %+v; what the answer held was free %v ago", res, time.Since(freed))
		}
	})
}

type hookFunc func()

func (f hookFunc) Done(uint64, holdfast.End) { f() }

// A budget that refuses a further repeat is found as the reason; the first refusal of a
// call leaves a single error what it was.
func TestAnEmptyBudgetIsTheReason(t *testing.T) {
	for _, tokens := range []int{1, -1} {
		synctest.Test(t, func(t *testing.T) {
			r := retry.New(retry.Options{InitialInterval: -1, Budget: retry.NewBudget(retry.BudgetOptions{Min: tokens})})
			_, err := holdfast.Do(t.Context(), holdfast.Chain(r), holdfast.Call{Target: "t", Repeatable: true},
				func(context.Context) (int, error) { return 0, errBoom })
			if tokens > 0 && (!errors.Is(err, retry.ErrBudget) || !errors.Is(err, errBoom)) || tokens < 0 && err != errBoom {
				t.Errorf("%d tokens: %v", tokens, err)
			}
		})
	}
}

// An AttemptsError is a net.Error, and says of itself what the last attempt's does.
func TestAnAttemptsErrorIsANetError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, want := range []bool{true, false} {
			_, err := holdfast.Do(t.Context(), holdfast.Chain(retry.New(retry.Options{InitialInterval: -1})), holdfast.Call{Target: "t", Repeatable: true},
				func(context.Context) (int, error) { return 0, &net.DNSError{IsTimeout: want, IsTemporary: want} })
			n, ok := err.(net.Error)                                 //nolint:errorlint // net/http asserts it so
			if !ok || n.Timeout() != want || n.Temporary() != want { //nolint:staticcheck // net.Error still has it
				t.Errorf("%T: %v", err, err)
			}
		}
	})
}

// Nobody told: what the transport holds back by itself, and a body that was not kept, have
// reasons of their own.
func TestToldIsSaidOnlyWhenSomebodyTold(t *testing.T) {
	for want, c := range map[string]struct {
		res  holdfast.Result
		keep bool
		word string
	}{
		"told not to repeat":                    {status(holdfast.Failure, "503", holdfast.Never), true, "told"},
		"not repeated unless asked for: 500":    {status(holdfast.Failure, "500", -1), true, "caution"},
		"the body is longer than could be kept": {status(holdfast.Failure, "503", 0), false, "body"},
	} {
		var events []holdfast.Event
		s := &longBody{script{results: []holdfast.Result{c.res}}, c.keep}
		_, record := send(t.Context(), true, s, retry.New(retry.Options{OnStop: func(_ context.Context, e holdfast.Event) { events = append(events, e) }}))
		if got := record.Ledger().Stopped; got != want || len(events) != 1 || events[0].Detail != want || events[0].Reason != c.word || events[0].Level != slog.LevelDebug {
			t.Errorf("stopped: %s, want %s; %+v", got, want, events)
		}
	}
}

type longBody struct {
	script
	keep bool
}

func (l *longBody) Replayable() (string, bool) {
	return "the body is longer than could be kept", l.keep
}

type coded struct{ n int }

func (c *coded) Error() string { return "coded" }

// Where the reason and the server's last error are of one type, errors.As finds the server's.
func TestTheServersErrorIsFoundBeforeTheReason(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := retry.New(retry.Options{MaxAttempts: 3, InitialInterval: -1})
		_, err := holdfast.Do(t.Context(), holdfast.Chain(r, second(holdfast.Result{Err: &coded{2}, Class: holdfast.LocalFault, Code: holdfast.CodeRequestBody})),
			holdfast.Call{Target: "t", Repeatable: true}, func(context.Context) (int, error) { return 0, &coded{1} })
		var c *coded
		if !errors.As(err, &c) || c.n != 1 {
			t.Errorf("got %v of %v", c, err)
		}
	})
}

// A repeat that came to nothing before it was sent gives its token back.
func TestAShortageOfOursCostsTheServerNoToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := retry.New(retry.Options{InitialInterval: -1})
		for range 20 {
			_, _ = holdfast.Do(t.Context(), holdfast.Chain(r), holdfast.Call{Target: "t"}, func(context.Context) (int, error) {
				return 0, holdfast.Mark(errBoom, holdfast.LocalShortage, 0)
			})
		}
		if s := r.Budget().Stats("t"); s.Tokens != 5 || s.Withdrawn != 40 || s.Refunded != 40 {
			t.Errorf("%+v", s)
		}
	})
}

// Codes overrule the transport's caution, of what may be sent again anyway too.
func TestCodesOverruleTheCaution(t *testing.T) {
	for _, class := range []holdfast.Class{holdfast.Failure, holdfast.Refused, holdfast.Conflict} {
		for named, sends := range map[bool]int{true: 2, false: 1} {
			s := &script{results: []holdfast.Result{status(class, "x", -1), success()}}
			o := retry.Options{InitialInterval: -1}
			if named {
				o.Codes = []holdfast.Code{"x"}
			}
			send(t.Context(), true, s, retry.New(o))
			if len(s.sends) != sends {
				t.Errorf("%v, named %v: %d sends", class, named, len(s.sends))
			}
		}
	}
}

// An answer that was put by is let go of exactly once: when there is a better one, and when a
// callback panics.
func TestAnAnswerPutByIsLetGoOnce(t *testing.T) {
	for name, c := range map[string]struct {
		rest     holdfast.Result
		onStop   func(context.Context, holdfast.Event)
		discards int
	}{
		"a success":             {success(), nil, 1},
		"another answer":        {status(holdfast.Failure, "500", -1), nil, 1},
		"the callback panics":   {holdfast.Result{Err: errBoom, Class: holdfast.LocalFault, Code: "x"}, func(context.Context, holdfast.Event) { panic("boom") }, 1},
		"it is what comes back": {holdfast.Result{Err: errBoom, Class: holdfast.LocalFault, Code: "x"}, nil, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			answer, n := &tally{}, 0
			defer func() {
				_ = recover()
				if answer.discards != c.discards || answer.keeps != 1 {
					t.Errorf("%s: put by %d times, let go of %d times", name, answer.keeps, answer.discards)
				}
			}()
			send(t.Context(), true, senderOf(func() holdfast.Result {
				if n++; n == 1 {
					return holdfast.Result{Reply: answer, Class: holdfast.Failure, Code: "503"}
				}
				res := c.rest
				if res.Err == nil {
					res.Reply = new(kept)
				}
				return res
			}), retry.New(retry.Options{MaxAttempts: 2, InitialInterval: -1, OnStop: c.onStop}))
		})
	}
}

// tally is a Reply that counts what is done to it.
type tally struct {
	holdfast.Ending
	keeps, discards int
}

func (c *tally) Keep()    { c.keeps++ }
func (c *tally) Discard() { c.discards++ }
