package hedge_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/hedge"
	"github.com/holdfast-go/holdfast/retry"
	"github.com/holdfast-go/holdfast/timeout"
)

// Among attempts that all failed the strictest wish of a server survives, whichever of
// them said it, and whichever came last; a server's word comes before what says nothing
// of one.
func TestTheStrictestWishSurvives(t *testing.T) {
	type outcome struct {
		class holdfast.Class
		after time.Duration
	}
	never, wait, none := outcome{holdfast.Failure, holdfast.Never}, outcome{holdfast.Overload, 30 * time.Second}, outcome{holdfast.Failure, 0}
	longer, ours := outcome{holdfast.Overload, time.Minute}, outcome{holdfast.Ignored, 0}
	for name, c := range map[string]struct{ first, second, want outcome }{
		"never and nothing":   {never, none, never},
		"a wait and nothing":  {wait, none, wait},
		"never and a wait":    {never, longer, never},
		"a wait and a longer": {wait, longer, longer},
		"ours and nothing":    {ours, none, none},
		"ours and never":      {ours, never, never},
	} {
		for _, swapped := range []bool{false, true} {
			for _, hedgeFirst := range []bool{false, true} {
				if swapped {
					c.first, c.second = c.second, c.first
				}
				first, second := 100*time.Millisecond, 20*time.Millisecond
				if !hedgeFirst {
					first, second = 20*time.Millisecond, 100*time.Millisecond
				}
				synctest.Test(t, func(t *testing.T) {
					var got holdfast.Result
					see := holdfast.PolicyFunc(func(next holdfast.Handler) holdfast.Handler {
						return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
							got = next(ctx, call)
							return got
						}
					})
					mark := func(o outcome) error { return holdfast.Mark(errDown, o.class, o.after) }
					_, _, _ = do(t, get, holdfast.Chain(see, fixed(hedge.Options{})), attempt{first, mark(c.first)}, attempt{second, mark(c.second)})
					if got.Class != c.want.class || got.After != c.want.after {
						t.Errorf("%s, swapped %v, the hedge is first %v: %v after %v", name, swapped, hedgeFirst, got.Class, got.After)
					}
				})
			}
		}
	}
}

// T39: a hedge that was granted a token and is not sent, since the first attempt is over by
// then, gives it back.
func TestT39_AHedgeThatComesTooLateGivesItsTokenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		budget := retry.NewBudget(retry.BudgetOptions{})
		h := fixed(hedge.Options{Budget: budget, OnHedge: func(context.Context, holdfast.Event) { time.Sleep(time.Second) }})
		if n, took, err := do(t, get, holdfast.Chain(h), attempt{20 * time.Millisecond, nil}, attempt{0, nil}); n != 1 || err != nil || took != time.Second+delay {
			t.Fatalf("attempt %d after %v, %v", n, took, err)
		}
		if s := budget.Stats("t"); s.Withdrawn != 1 || s.Refunded != 1 || s.Tokens != 5 {
			t.Errorf("%+v", s)
		}
		if s := h.Stats("t"); s.Hedges != 0 {
			t.Errorf("%+v", s)
		}
	})
}

// T60: the context of each attempt that is not the winner is let go of, also of one that came
// to nothing while others were under way, and of one after which none won.
func TestT60_TheContextsOfLosersEnd(t *testing.T) {
	for name, attempts := range map[string][]attempt{
		"a hedge says nothing, the first fails": {{50 * time.Millisecond, errDown}, {5 * time.Millisecond, holdfast.Mark(errDown, holdfast.Ignored, 0)}},
		"both fail":                             {{50 * time.Millisecond, errDown}, {5 * time.Millisecond, errDown}},
		"the first fails last":                  {{20 * time.Millisecond, errDown}, {50 * time.Millisecond, errDown}},
		"the hedge fails, the first succeeds":   {{50 * time.Millisecond, nil}, {5 * time.Millisecond, errDown}},
	} {
		synctest.Test(t, func(t *testing.T) {
			var mu sync.Mutex
			var seen []context.Context
			below := holdfast.PolicyFunc(func(next holdfast.Handler) holdfast.Handler {
				return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
					_ = ctx.Done()
					mu.Lock()
					seen = append(seen, ctx)
					mu.Unlock()
					return next(ctx, call)
				}
			})
			_, _, _ = do(t, get, holdfast.Chain(fixed(hedge.Options{}), below), attempts...)
			for i, ctx := range seen {
				if ctx.Err() == nil {
					t.Errorf("%s: the context of attempt %d is alive", name, i+1)
				}
			}
			if len(seen) != 2 {
				t.Errorf("%s: %d attempts", name, len(seen))
			}
		})
	}
}

// A hedge that cannot have the call's body is denied, and costs nothing.
func TestAHedgeThatCannotBeSentCostsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		budget := retry.NewBudget(retry.BudgetOptions{})
		var denied []holdfast.Event
		h := fixed(hedge.Options{Budget: budget, OnHedge: func(_ context.Context, e holdfast.Event) { denied = append(denied, e) }})
		s := &once{}
		holdfast.Chain(h)(t.Context(), &holdfast.Call{Target: "t", Repeatable: true, Sender: s})
		if s.sends != 1 || len(denied) != 1 || denied[0].Reason != "body" || denied[0].Detail != "the body is gone" || denied[0].Kind != "hedge_denied" || denied[0].Policy != "hedge" || denied[0].Wait != delay || denied[0].Level != slog.LevelDebug {
			t.Errorf("%d sends, %+v", s.sends, denied)
		}
		if b := budget.Stats("t"); b.Withdrawn != 0 || b.Tokens != 5 {
			t.Errorf("%+v", b)
		}
	})
}

// once is a Sender that cannot send its call again.
type once struct{ sends int }

func (o *once) Send(context.Context, *holdfast.Call) holdfast.Result {
	o.sends++
	time.Sleep(time.Second)
	return holdfast.Result{Err: errors.New("x"), Class: holdfast.Failure}
}

func (o *once) Replayable() (why string, ok bool) { return "the body is gone", false }

// put is a Reply that can be put by.
type put struct {
	holdfast.Ending
	keeps atomic.Int32
}

func (p *put) Keep()    { p.keeps.Add(1) }
func (p *put) Discard() {}

// The answer of an attempt that failed is put by while another is under way, which may wait
// for its connection; an answer that decides the call is not.
func TestAFailedAnswerIsPutByWhileAnotherIsUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		failed, won := new(put), new(put)
		s := senderOf(func(call *holdfast.Call) holdfast.Result {
			if !call.Hedge {
				time.Sleep(50 * time.Millisecond)
				return holdfast.Result{Reply: failed, Class: holdfast.Failure, Code: "503"}
			}
			time.Sleep(100 * time.Millisecond)
			return holdfast.Result{Reply: won, Class: holdfast.Success, Code: "200"}
		})
		res := holdfast.Chain(fixed(hedge.Options{}))(t.Context(), &holdfast.Call{Target: "t", Repeatable: true, Sender: s})
		if res.Reply != won || failed.keeps.Load() != 1 || won.keeps.Load() != 0 {
			t.Errorf("got %+v; put by %d and %d times", res, failed.keeps.Load(), won.keeps.Load())
		}
		won.Finish(holdfast.End{})
	})
}

type senderOf func(call *holdfast.Call) holdfast.Result

func (f senderOf) Send(_ context.Context, call *holdfast.Call) holdfast.Result { return f(call) }

// What hangs on an attempt's context by AfterFunc, as a limit further in does, is told of its
// end, however many there are, before and after it.
func TestAllThatHangsOnAnAttemptIsTold(t *testing.T) {
	for _, cancellable := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			ctx := context.Background()
			if cancellable {
				var cancel context.CancelFunc
				ctx, cancel = context.WithCancel(ctx)
				defer cancel()
			}
			var told atomic.Int32
			_, _ = holdfast.Do(ctx, holdfast.Chain(fixed(hedge.Options{})), get, func(ctx context.Context) (int, error) {
				if holdfast.CallFrom(ctx).Hedge {
					time.Sleep(time.Millisecond)
					return 1, nil
				}
				for range 3 {
					inner, cancel := context.WithCancel(ctx)
					defer cancel()
					context.AfterFunc(inner, func() { told.Add(1) })
				}
				<-ctx.Done()
				context.AfterFunc(ctx, func() { told.Add(1) })
				return 0, ctx.Err()
			})
			synctest.Wait()
			if n := told.Load(); n != 4 {
				t.Errorf("cancellable %v: %d of 4 were told", cancellable, n)
			}
		})
	}
}

// A limit within an attempt learns at once that the attempt has lost.
func TestALimitWithinALoserEndsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var lost time.Duration
		h := holdfast.Chain(fixed(hedge.Options{}), timeout.New(timeout.Options{Limit: time.Hour}))
		_, _ = holdfast.Do(context.Background(), h, get, func(ctx context.Context) (int, error) {
			if holdfast.CallFrom(ctx).Hedge {
				time.Sleep(time.Millisecond)
				return 1, nil
			}
			start := time.Now()
			derived, cancel := context.WithCancel(ctx)
			defer cancel()
			<-derived.Done()
			if lost = time.Since(start); context.Cause(derived) != holdfast.ErrSuperseded {
				t.Errorf("because of %v", context.Cause(derived))
			}
			return 0, derived.Err()
		})
		if lost != delay+time.Millisecond {
			t.Errorf("after %v", lost)
		}
	})
}
