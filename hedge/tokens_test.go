package hedge_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/hedge"
	"github.com/holdfast-go/holdfast/retry"
)

// A hedge that is not sent, for whatever reason, gives back its token and its part of the share,
// and is not counted.
func TestAHedgeThatIsNotSentCostsNothing(t *testing.T) {
	answers := func(res holdfast.Result) holdfast.Policy {
		return holdfast.PolicyFunc(func(next holdfast.Handler) holdfast.Handler {
			return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
				if call.Hedge {
					return res
				}
				return next(ctx, call)
			}
		})
	}
	pass := holdfast.PolicyFunc(func(next holdfast.Handler) holdfast.Handler { return next })
	moves := holdfast.PolicyFunc(func(next holdfast.Handler) holdfast.Handler {
		return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
			res := next(ctx, call)
			if call.Hedge {
				return next(ctx, call.Again())
			}
			return res
		}
	})
	sent := errors.New("it was sent")
	for name, c := range map[string]struct {
		inner  holdfast.Policy
		hedged error // what a hedge comes to
		spent  uint64
	}{
		"rejected further in":     {answers(holdfast.Result{Err: errDown, Code: holdfast.CodeCircuitOpen}), sent, 0},
		"no port":                 {pass, holdfast.Mark(errDown, holdfast.LocalShortage, 0), 0},
		"sent and superseded":     {pass, sent, 1},
		"sent, and then no port":  {moves, sent, 1},
		"sent, and it succeeds":   {pass, nil, 1},
		"sent, and it is refused": {pass, holdfast.Mark(errDown, holdfast.Refused, 0), 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				budget := retry.NewBudget(retry.BudgetOptions{})
				h := hedge.New(hedge.Options{Delay: delay, Share: 1, Budget: budget})
				_, _, err := do(t, get, holdfast.Chain(h, c.inner), attempt{time.Second, nil}, attempt{time.Millisecond, c.hedged}, attempt{time.Millisecond, holdfast.Mark(errDown, holdfast.LocalShortage, 0)})
				b, s := budget.Stats("t"), h.Stats("t")
				if err != nil || b.Withdrawn-b.Refunded != c.spent || b.Withdrawn != 1 || s.Hedges != c.spent || s.Denied != 0 {
					t.Errorf("%v, %+v, %+v", err, b, s)
				}
			})
		})
	}
}

// What the share has granted goes back when the budget refuses, and when the call ends as the hedge
// is due.
func TestAHedgeThatIsNotSentTakesNoShare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var reasons []string
		h := hedge.New(hedge.Options{Delay: delay, Share: 0.5, Budget: retry.NewBudget(retry.BudgetOptions{Min: -1}),
			OnHedge: func(_ context.Context, e holdfast.Event) { reasons = append(reasons, e.Reason) }})
		for range 5 {
			_, _, _ = do(t, get, holdfast.Chain(h), attempt{time.Second, nil})
		}
		if !slices.Equal(reasons, []string{"share", "budget", "budget", "budget", "budget"}) {
			t.Errorf("denied because of %q", reasons)
		}
	})
}

// A call that is cancelled as its hedge is due has none, and nobody is told of one.
func TestACancelledCallIsNotHedged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		budget := retry.NewBudget(retry.BudgetOptions{})
		h := fixed(hedge.Options{Budget: budget, OnHedge: func(_ context.Context, e holdfast.Event) { t.Errorf("%+v", e) }})
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(delay/2, cancel)
		_, err := holdfast.Do(ctx, holdfast.Chain(h), get, func(context.Context) (int, error) {
			time.Sleep(time.Second) // it does not listen
			return 1, nil
		})
		if b := budget.Stats("t"); err != nil || b.Withdrawn != 0 || h.Stats("t").Hedges != 0 {
			t.Errorf("%v, %+v", err, b)
		}
	})
}

// Thousands of calls that are retried and hedged, in any order of layers, cancelled, rejected and answered
// at any moment: in the end each token that was taken was spent on an attempt that was sent, or is back.
func TestTokensAgreeWithWhatWasSent(t *testing.T) {
	const least = 1_000_000
	nap := func(most int) {
		if n := rand.N(most); n > 0 {
			time.Sleep(time.Duration(n) * time.Microsecond)
		} else {
			runtime.Gosched()
		}
	}
	dawdle := func(context.Context, holdfast.Event) { nap(30) }
	rejects := holdfast.PolicyFunc(func(next holdfast.Handler) holdfast.Handler {
		return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
			nap(20)
			if rand.N(10) == 0 {
				return holdfast.Result{Err: errDown, Class: holdfast.LocalShortage}
			}
			return next(ctx, call)
		}
	})
	for name, layers := range map[string]string{"hedges in retries": "rh", "hedges in retries in hedges": "hrh", "retries in hedges": "hr", "two hedges": "hh"} {
		t.Run(name, func(t *testing.T) {
			budget := retry.NewBudget(retry.BudgetOptions{Min: least, Ratio: -1})
			var policies []holdfast.Policy
			var hedgers []*hedge.Hedge
			for _, layer := range layers {
				if layer == 'r' {
					policies = append(policies, retry.New(retry.Options{MaxAttempts: 4, InitialInterval: 20 * time.Microsecond, Jitter: retry.Constant, Budget: budget, OnRetry: dawdle, MinAttempt: -1}))
					continue
				}
				h := hedge.New(hedge.Options{MaxHedges: 3, Delay: 50 * time.Microsecond, MinDelay: -1, Share: -1, Budget: budget, OnHedge: dawdle, MinAttempt: -1})
				policies, hedgers = append(policies, h), append(hedgers, h)
			}
			chain := holdfast.Chain(append(policies, rejects)...)
			var again, hedges atomic.Uint64
			f := func(ctx context.Context) (int, error) {
				call := holdfast.CallFrom(ctx)
				if call.Attempt > 1 {
					again.Add(1)
				}
				if call.Hedge {
					hedges.Add(1)
				}
				nap(150)
				if rand.N(3) == 0 {
					return 0, errDown
				}
				return 1, ctx.Err()
			}
			calls := 1000
			if testing.Short() {
				calls = 300
			}
			var wg sync.WaitGroup
			for range 8 {
				wg.Go(func() {
					for range calls {
						ctx, cancel := context.WithCancel(context.Background())
						if rand.N(2) == 0 {
							time.AfterFunc(time.Duration(rand.N(200))*time.Microsecond, cancel)
						}
						_, _ = holdfast.Do(ctx, chain, get, f)
						cancel()
					}
				})
			}
			wg.Wait()
			b, counted := budget.Stats("t"), uint64(0)
			for _, h := range hedgers {
				counted += h.Stats("t").Hedges
			}
			spent := b.Withdrawn - b.Refunded
			if spent != again.Load() || b.Tokens != float64(least-int(spent)) || counted != hedges.Load() {
				t.Errorf("%d tokens are spent, %d attempts beyond the first were sent; %v are left; %d hedges are counted of %d", spent, again.Load(), b.Tokens, counted, hedges.Load())
			}
			if b.Refunded == 0 || counted == 0 {
				t.Errorf("it shows nothing: %+v", b)
			}
		})
	}
}
