package preset_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/breaker"
	"github.com/holdfast-go/holdfast/discovery"
	"github.com/holdfast-go/holdfast/hedge"
	"github.com/holdfast-go/holdfast/loadbalance"
	"github.com/holdfast-go/holdfast/preset"
	"github.com/holdfast-go/holdfast/retry"
)

func made(t *testing.T, change func(*preset.Config)) (*preset.Stack, func(context.Context, func(context.Context) (int, error)) error) {
	t.Helper()
	c := preset.Standard()
	if change != nil {
		change(&c)
	}
	s, err := preset.NewStack(c)
	if err != nil {
		t.Fatal(err)
	}
	h := holdfast.Chain(s)
	return s, func(ctx context.Context, f func(context.Context) (int, error)) error {
		_, err := holdfast.Do(ctx, h, holdfast.Call{Target: "t", Repeatable: true}, f)
		return err
	}
}

func takes(d time.Duration, err error) func(context.Context) (int, error) {
	return func(ctx context.Context) (int, error) {
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-time.After(d):
			return 0, err
		}
	}
}

var errDown = errors.New("down")

// Whatever a call waits for, it is released as soon as the Stack is closed, and says why.
func TestShutdownReleasesWhoWaits(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*preset.Config)
		before int // calls that are under way already
		f      func(context.Context) (int, error)
	}{
		"for a place": {func(c *preset.Config) { c.Limit.Max, c.Limit.Wait, c.Limit.Queue = 1, 25*time.Second, 5 }, 1, takes(0, nil)},
		"for a token": {func(c *preset.Config) { c.Rate.PerSecond, c.Rate.Wait = 0.2, 25*time.Second }, 1, takes(0, nil)},
		"for a repeat": {func(c *preset.Config) {
			c.Retry.InitialInterval, c.Retry.Jitter = 20*time.Second, retry.Constant
		}, 0, takes(0, errDown)},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, call := made(t, c.change)
				var wg sync.WaitGroup
				for range c.before {
					wg.Go(func() {
						if err := call(t.Context(), takes(5*time.Second, nil)); err != nil {
							t.Errorf("it was under way: %v", err)
						}
					})
				}
				synctest.Wait()
				start := time.Now()
				for range 3 {
					wg.Go(func() {
						err := call(t.Context(), c.f)
						if !errors.Is(err, holdfast.ErrClosed) || time.Since(start) != time.Second {
							t.Errorf("%v after %v", err, time.Since(start))
						}
					})
				}
				time.Sleep(time.Second)
				if err := s.Shutdown(t.Context()); err != nil {
					t.Error(err)
				}
				wg.Wait()
				if n := s.Limit().Stats(""); n.InFlight != 0 || n.Waiting != 0 {
					t.Errorf("%+v", n)
				}
			})
		})
	}
}

// A repeat that was not sent gives its token back.
func TestShutdownReturnsTheTokenOfARepeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, call := made(t, func(c *preset.Config) { c.Retry.InitialInterval, c.Retry.Jitter = 20*time.Second, retry.Constant })
		tokens := s.Budget().Stats("t").Tokens
		time.AfterFunc(time.Second, func() { _ = s.Close() })
		if err := call(t.Context(), takes(0, errDown)); !errors.Is(err, holdfast.ErrClosed) {
			t.Error(err)
		}
		if now := s.Budget().Stats("t").Tokens; now != tokens {
			t.Errorf("%v tokens, before %v", now, tokens)
		}
	})
}

// Nothing is sent once the Stack is closed: the call comes to what its first attempt does.
func TestAClosedStackRepeatsAndHedgesNothing(t *testing.T) {
	for _, hedged := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			s, call := made(t, func(c *preset.Config) {
				if hedged {
					c.Hedge.MaxHedges, c.Hedge.Delay = 1, 2*time.Second
				}
			})
			var sent atomic.Int64
			time.AfterFunc(time.Second, func() { go func() { _ = s.Shutdown(context.Background()) }() })
			err := call(t.Context(), func(ctx context.Context) (int, error) { sent.Add(1); return takes(3*time.Second, errDown)(ctx) })
			if !errors.Is(err, errDown) || sent.Load() != 1 {
				t.Errorf("hedged %v: %v after %d attempts", hedged, err, sent.Load())
			}
			if err := s.Shutdown(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

// What is left when the time given is over is cut off, whatever limits it has of its own: none, one
// of ours, or the caller's.
func TestShutdownCutsOffWhatIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, off := range []bool{false, true} {
			s, call := made(t, func(c *preset.Config) {
				c.Breaker.ConsecutiveFailures = 1
				if off {
					c.Timeout.Limit, c.Attempt.Limit = -1, -1
				}
			})
			var wg sync.WaitGroup
			start := time.Now()
			for _, limit := range []time.Duration{0, 5 * time.Second, time.Hour} {
				ctx, cancel := t.Context(), context.CancelFunc(func() {})
				if limit > 0 {
					ctx, cancel = context.WithTimeout(ctx, limit)
				}
				defer cancel()
				wg.Go(func() {
					err := call(ctx, takes(time.Hour, nil))
					if !errors.Is(err, holdfast.ErrClosed) || time.Since(start) != 2*time.Second {
						t.Errorf("%v after %v", err, time.Since(start))
					}
				})
			}
			synctest.Wait()
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			if err := s.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Error(err)
			}
			wg.Wait()
			if state := s.Breaker().State("t"); state != breaker.Closed {
				t.Errorf("the server is blamed: %v", state)
			}
		}
	})
}

func TestAClosedStackRefusesUpdates(t *testing.T) {
	s, call := made(t, nil)
	var wg sync.WaitGroup
	for range 4 { // at once with Close
		wg.Go(func() {
			for {
				if _, err := s.Update(preset.Conservative()); err != nil {
					if !errors.Is(err, holdfast.ErrClosed) {
						t.Error(err)
					}
					return
				}
			}
		})
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	wg.Wait()
	was := s.Config()
	if changes, err := s.Update(preset.Background()); !errors.Is(err, holdfast.ErrClosed) || changes != nil || s.Config().Retry.MaxAttempts != was.Retry.MaxAttempts {
		t.Errorf("%v, %v", changes, err)
	}
	if err := call(t.Context(), takes(0, nil)); !errors.Is(err, holdfast.ErrClosed) {
		t.Error(err)
	}
	var reports []error
	s.Follow(t.Context(), func(yield func(preset.Config, error) bool) {
		for yield(preset.Standard(), nil) {
		}
	}, func(_ []string, err error) { reports = append(reports, err) })
	if len(reports) != 1 || !errors.Is(reports[0], holdfast.ErrClosed) {
		t.Errorf("Follow goes on: %v", reports)
	}
}

func TestCloseOfAStackThatIsNone(t *testing.T) {
	for _, s := range []*preset.Stack{nil, {}} {
		if err := errors.Join(s.Shutdown(t.Context()), s.Close()); err != nil {
			t.Error(err)
		}
	}
}

// A callback may close the Stack that runs it, with the call under way.
func TestCloseWithinACallback(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s *preset.Stack
		s, call := made(t, func(c *preset.Config) {
			c.Retry.OnRetry = func(context.Context, holdfast.Event) { _ = s.Close() }
		})
		if err := call(t.Context(), takes(0, errDown)); !errors.Is(err, holdfast.ErrClosed) {
			t.Error(err)
		}
	})
}

// Two Stacks share a Set and a Budget: closing one takes nothing from the other.
func TestStacksThatShareAreClosedAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		set := loadbalance.New(discovery.Static("a", "b"), nil, loadbalance.Options{})
		defer set.Close()
		budget := retry.NewBudget(retry.BudgetOptions{})
		share := func(c *preset.Config) { c.Inner, c.Retry.Budget = []holdfast.Policy{set}, budget }
		one, oneCalls := made(t, share)
		_, otherCalls := made(t, share)
		if err := one.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		if err := oneCalls(t.Context(), takes(0, nil)); !errors.Is(err, holdfast.ErrClosed) {
			t.Error(err)
		}
		attempts := 0
		err := otherCalls(t.Context(), func(context.Context) (int, error) {
			if attempts++; attempts == 1 {
				return 0, errDown
			}
			return 0, nil
		})
		if err != nil || attempts != 2 {
			t.Errorf("%v after %d attempts", err, attempts)
		}
	})
}

// A Stack that is dropped has nothing that runs: the bubble would not end.
func TestADroppedStackLeavesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, call := made(t, func(c *preset.Config) {
			c.Hedge.MaxHedges, c.Rate.PerSecond, c.Rate.Wait = 1, 10, time.Minute
		})
		for i := range 100 {
			var err error
			if i%3 == 0 {
				err = errDown
			}
			_ = call(t.Context(), takes(time.Second, err))
		}
		start := time.Now()
		synctest.Wait()
		if time.Since(start) != 0 {
			t.Error("something ran on")
		}
	})
}

// Who asks is told once nothing is under way, as a door does that has connections to close.
func TestAStackTellsWhenItHasNothingUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, call := made(t, nil)
		start := time.Now()
		var told []time.Duration
		s.OnClosed(func() { told = append(told, time.Since(start)) })
		go func() { _ = call(t.Context(), takes(3*time.Second, nil)) }()
		time.Sleep(time.Second)
		if err := s.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if len(told) != 1 || told[0] != 3*time.Second {
			t.Errorf("told after %v", told)
		}
	})
}

// What Shutdown needs costs a call no allocation, neither under a context without an end nor
// under one that can be cancelled, hedged or not.
func TestAStackCostsNoAllocation(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates; the ordinary run measures")
	}
	config := preset.Standard()
	for _, config.Hedge = range []hedge.Options{config.Hedge, {MaxHedges: 1, Delay: 5 * time.Second}} {
		s, err := preset.NewStack(config)
		if err != nil {
			t.Fatal(err)
		}
		for name, ctx := range map[string]context.Context{"background": context.Background(), "can be cancelled": t.Context()} {
			cost := func(h holdfast.Handler) float64 {
				return testing.AllocsPerRun(1000, func() {
					_, _ = holdfast.Do(ctx, h, holdfast.Call{Target: "t", Repeatable: true}, func(ctx context.Context) (int, error) { ctx.Done(); return 0, nil })
				})
			}
			if bare, got := cost(holdfast.Chain(config.Policies()...)), cost(holdfast.Chain(s)); got > bare || config.Hedge.MaxHedges > 0 && got > 24 {
				t.Errorf("%s, hedges %d: %v allocations, %v without", name, config.Hedge.MaxHedges, got, bare)
			}
		}
	}
}

// A tells tells what it knows to whoever begins to listen.
type tells struct{ holdfast.PolicyFunc }

func (*tells) Watch(f func(ctx context.Context, e holdfast.Event)) (stop func()) {
	f(context.Background(), holdfast.Event{Kind: "endpoint", Policy: "mine"})
	return func() {}
}

// Whom an Update tells of something may close the Stack.
func TestCloseWithinAnUpdate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := stackOf(t, preset.Standard())
		told := 0
		defer s.Watch(func(context.Context, holdfast.Event) { told++; _ = s.Close() })()
		c := preset.Standard()
		c.Inner = []holdfast.Policy{&tells{func(next holdfast.Handler) holdfast.Handler { return next }}}
		if _, err := s.Update(c); err != nil || told != 1 {
			t.Errorf("%v, told %d times", err, told)
		}
		if _, err := s.Update(c); err != holdfast.ErrClosed {
			t.Errorf("%v", err)
		}
	})
}
