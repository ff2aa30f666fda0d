package hedge_test

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/hedge"
	"github.com/holdfast-go/holdfast/retry"
)

// A conn is a value that is closed by f.
type conn struct{ f func() }

func (c *conn) Close() error { c.f(); return nil }

// ends are the contexts of the attempts of one call.
type ends struct {
	mu  sync.Mutex
	ctx []context.Context
}

func (e *ends) add(ctx context.Context) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.ctx = append(e.ctx, ctx)
}

func (e *ends) check(t *testing.T, want int) {
	t.Helper()
	e.mu.Lock()
	defer e.mu.Unlock()
	for i, ctx := range e.ctx {
		if ctx.Err() == nil {
			t.Errorf("the context of attempt %d is alive after the call", i+1)
		}
	}
	if len(e.ctx) != want {
		t.Errorf("%d attempts, want %d", len(e.ctx), want)
	}
}

// What lets go of a loser may panic, or exit its goroutine, on whichever goroutine the loser is: no
// winner stays open for nobody, and no attempt's context stays alive.
func TestALoserWhoseDiscardPanicsLeavesNoWinnerOpen(t *testing.T) {
	for name, c := range map[string]struct {
		first, hedged time.Duration
		close         func()
		panics, exits bool
	}{
		"the first panics": {50 * time.Millisecond, 5 * time.Millisecond, func() { panic("close") }, true, false},
		"the hedge panics": {20 * time.Millisecond, 50 * time.Millisecond, func() { panic("close") }, true, false},
		"the first exits":  {50 * time.Millisecond, 5 * time.Millisecond, runtime.Goexit, false, true},
		"the hedge exits":  {20 * time.Millisecond, 50 * time.Millisecond, runtime.Goexit, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				closed, returned := 0, false
				var ends ends
				done := make(chan any)
				go func() {
					defer func() { done <- recover() }()
					_, err := holdfast.Do(t.Context(), holdfast.Chain(fixed(hedge.Options{})), get, func(ctx context.Context) (*conn, error) {
						ends.add(ctx)
						takes := c.first
						if holdfast.CallFrom(ctx).Hedge {
							takes = c.hedged
						}
						time.Sleep(takes)
						if takes == 50*time.Millisecond {
							return &conn{c.close}, nil
						}
						return &conn{func() { closed++ }}, nil
					})
					returned = err == nil
				}()
				thrown := <-done
				synctest.Wait()
				wantClosed := 0
				if c.panics || c.exits {
					wantClosed = 1
				}
				if (thrown != nil) != c.panics || returned == (c.panics || c.exits) || closed != wantClosed {
					t.Errorf("thrown %v, returned %v, the winner was closed %d times, want %d", thrown, returned, closed, wantClosed)
				}
				ends.check(t, 2)
			})
		})
	}
}

// A hedge that exits its goroutine is over, and the first attempt decides.
func TestAHedgeThatExitsItsGoroutineIsOver(t *testing.T) {
	for _, want := range []error{nil, errDown} {
		for _, first := range []time.Duration{20 * time.Millisecond, 100 * time.Millisecond} { // it fails before and after the hedge exits
			synctest.Test(t, func(t *testing.T) {
				var ends ends
				h := fixed(hedge.Options{MaxHedges: 2})
				start := time.Now()
				_, err := holdfast.Do(t.Context(), holdfast.Chain(h), get, func(ctx context.Context) (int, error) {
					ends.add(ctx)
					if holdfast.CallFrom(ctx).Hedge {
						time.Sleep(30 * time.Millisecond)
						runtime.Goexit()
					}
					time.Sleep(first)
					return 1, want
				})
				if took := time.Since(start); !errors.Is(err, want) || took < first || took > 100*time.Millisecond {
					t.Errorf("%v after %v", err, took)
				}
				synctest.Wait()
				ends.check(t, int(1+h.Stats("t").Hedges))
			})
		}
	}
}

// A callback or a listener may panic, or exit its goroutine, while the hedge holds a token: it
// keeps none, and a winner of which the news panics is let go of.
func TestACallbackThatPanicsKeepsNothing(t *testing.T) {
	for name, fail := range map[string]func(){"panics": func() { panic("mine") }, "exits": runtime.Goexit} {
		for _, on := range []string{"hedge", "hedge of a listener", "hedge_won of a listener"} {
			t.Run(on+" "+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					closed := 0
					var ends ends
					budget := retry.NewBudget(retry.BudgetOptions{})
					h := fixed(hedge.Options{Budget: budget, OnHedge: func(_ context.Context, e holdfast.Event) {
						if e.Kind == on {
							fail()
						}
					}})
					heard := hearing(func(e holdfast.Event) {
						if e.Kind+" of a listener" == on {
							fail()
						}
					})
					done := make(chan any)
					go func() {
						defer func() { done <- recover() }()
						_, _ = holdfast.Do(t.Context(), holdfast.Chain(heard, h), get, func(ctx context.Context) (*conn, error) {
							ends.add(ctx)
							if !holdfast.CallFrom(ctx).Hedge {
								select {
								case <-ctx.Done():
									return nil, context.Cause(ctx)
								case <-time.After(time.Second):
								}
							}
							return &conn{func() { closed++ }}, nil
						})
					}()
					thrown := <-done
					synctest.Wait()
					if (thrown != nil) != (name == "panics") {
						t.Errorf("thrown: %v", thrown)
					}
					b := budget.Stats("t")
					if on == "hedge_won of a listener" {
						if closed != 1 || b.Withdrawn != 1 || b.Refunded != 0 {
							t.Errorf("the winner was closed %d times, %+v", closed, b)
						}
						ends.check(t, 2)
						return
					}
					if b.Withdrawn != 1 || b.Refunded != 1 || b.Tokens != 5 || h.Stats("t").Hedges != 0 {
						t.Errorf("%+v, %+v", b, h.Stats("t"))
					}
					ends.check(t, 1)
				})
			})
		}
	}
}

// The time that a hedge needs is left for each of them, also after its callbacks have taken some.
func TestEachHedgeHasItsTimeLeft(t *testing.T) {
	for name, c := range map[string]struct {
		limit, callback time.Duration
		want            int
	}{
		"for all":                      {115 * time.Millisecond, 0, 3},
		"for two":                      {95 * time.Millisecond, 0, 2},
		"for none":                     {45 * time.Millisecond, 0, 0},
		"for the last one to a hair":   {110 * time.Millisecond, 0, 3},
		"the callback takes it":        {60 * time.Millisecond, 11 * time.Millisecond, 0},
		"the callback takes it, later": {109 * time.Millisecond, 15 * time.Millisecond, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				budget := retry.NewBudget(retry.BudgetOptions{})
				h := hedge.New(hedge.Options{MaxHedges: 3, Delay: 30 * time.Millisecond, Share: -1, MinAttempt: 20 * time.Millisecond, Budget: budget,
					OnHedge: func(context.Context, holdfast.Event) { time.Sleep(c.callback) }})
				ctx, cancel := context.WithTimeout(t.Context(), c.limit)
				defer cancel()
				var sent atomic.Int64
				_, _ = holdfast.Do(ctx, holdfast.Chain(h), get, func(ctx context.Context) (int, error) {
					if holdfast.CallFrom(ctx).Hedge {
						sent.Add(1)
						if deadline, _ := ctx.Deadline(); time.Until(deadline) < 20*time.Millisecond {
							t.Errorf("a hedge is sent with %v left", time.Until(deadline))
						}
					}
					<-ctx.Done()
					return 0, context.Cause(ctx)
				})
				b := budget.Stats("t")
				if n := int(sent.Load()); n != c.want || b.Withdrawn-b.Refunded != uint64(n) || h.Stats("t").Denied != 0 {
					t.Errorf("%d hedges, want %d; %+v", n, c.want, b)
				}
			})
		})
	}
}

// A reply counts what becomes of it, and panics where it is put by.
type reply struct {
	holdfast.Ending
	panics          bool
	keeps, discards atomic.Int32
}

func (r *reply) Discard() { r.discards.Add(1) }

func (r *reply) Keep() {
	if r.keeps.Add(1); r.panics {
		panic("kept")
	}
}

// Where a hook of what is put by panics, all answers are let go of.
func TestAnAnswerWhoseKeepingPanicsLeavesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		replies := []*reply{{}, {}, {panics: true}}
		s := senderOf(func(call *holdfast.Call) holdfast.Result {
			time.Sleep([]time.Duration{100 * time.Millisecond, 15 * time.Millisecond, 15 * time.Millisecond}[call.Attempt-1])
			return holdfast.Result{Reply: replies[call.Attempt-1], Class: holdfast.Failure, Code: "503"}
		})
		defer func() {
			if thrown := recover(); thrown != "kept" {
				t.Errorf("thrown: %v", thrown)
			}
			for i, r := range replies {
				if r.discards.Load() == 0 {
					t.Errorf("the answer of attempt %d is open", i+1)
				}
			}
		}()
		holdfast.Chain(fixed(hedge.Options{MaxHedges: 2}))(t.Context(), &holdfast.Call{Target: "t", Repeatable: true, Sender: s})
	})
}

// An answer is not put by for the sake of a hedge that has exited its goroutine.
func TestAHedgeThatHasExitedIsNotWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		answer := new(reply)
		s := senderOf(func(call *holdfast.Call) holdfast.Result {
			if call.Hedge {
				runtime.Goexit()
			}
			time.Sleep(time.Second)
			return holdfast.Result{Reply: answer, Class: holdfast.Failure, Code: "503"}
		})
		res := holdfast.Chain(fixed(hedge.Options{}))(t.Context(), &holdfast.Call{Target: "t", Repeatable: true, Sender: s})
		if res.Reply != answer || answer.keeps.Load() != 0 || answer.discards.Load() != 0 {
			t.Errorf("%+v, put by %d times, discarded %d times", res, answer.keeps.Load(), answer.discards.Load())
		}
	})
}
