package holdfast_test

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
	"github.com/holdfast-go/holdfast/holdfasttest"
)

var asked = holdfast.Call{Target: "t", Repeatable: true}

// until is a function that ends when its context does, or after d.
func until(d time.Duration) func(context.Context) (int, error) {
	return func(ctx context.Context) (int, error) {
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-time.After(d):
			return 1, nil
		}
	}
}

func TestAGateKeepsTheContract(t *testing.T) {
	holdfasttest.TestPolicy(t, func() holdfast.Policy { return new(holdfast.Gate) })
}

func TestShutdownLetsCallsFinish(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g holdfast.Gate
		h := holdfast.Chain(&g)
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				if v, err := holdfast.Do(t.Context(), h, asked, until(time.Second)); v != 1 || err != nil {
					t.Errorf("under way at the shutdown: %v, %v", v, err)
				}
			})
		}
		synctest.Wait()
		start := time.Now()
		for range 3 { // at once
			wg.Go(func() {
				if err := g.Shutdown(t.Context()); err != nil || time.Since(start) != time.Second {
					t.Errorf("%v after %v", err, time.Since(start))
				}
			})
		}
		synctest.Wait()
		called := false
		_, err := holdfast.Do(t.Context(), h, asked, func(context.Context) (int, error) { called = true; return 0, nil })
		if err != holdfast.ErrClosed || called { //nolint:errorlint // it is that very error
			t.Errorf("a new call: %v, sent: %v", err, called)
		}
		wg.Wait()
		done, cancel := context.WithCancel(t.Context())
		cancel()
		if err := g.Shutdown(done); err != nil {
			t.Errorf("nothing is under way, and there was nothing to end: %v", err)
		}
	})
}

func TestShutdownEndsWhatIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g holdfast.Gate
		h := holdfast.Chain(&g)
		var wg sync.WaitGroup
		start := time.Now()
		caller, cancel := context.WithCancel(t.Context()) // a context that ends by itself, and one that does not
		defer cancel()
		for _, ctx := range []context.Context{context.Background(), caller, context.WithValue(caller, key{}, 1)} {
			wg.Go(func() {
				_, err := holdfast.Do(ctx, h, asked, func(ctx context.Context) (int, error) {
					sub, cancel := context.WithCancel(ctx)
					defer cancel()
					_, err := until(time.Hour)(sub)
					if cause := context.Cause(sub); cause != holdfast.ErrClosed { //nolint:errorlint // it is that very error
						t.Errorf("the cause is %v", cause)
					}
					return 0, err
				})
				if !errors.Is(err, holdfast.ErrClosed) || !errors.Is(err, context.Canceled) || time.Since(start) != time.Second {
					t.Errorf("%v after %v", err, time.Since(start))
				}
			})
		}
		synctest.Wait()
		ctx, end := context.WithTimeout(t.Context(), time.Second)
		defer end()
		err := g.Shutdown(ctx)
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second || err.Error() != "holdfast: the shutdown has cut off 3 of the calls under way: context deadline exceeded" {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		wg.Wait()
		if err := g.Shutdown(t.Context()); err != nil {
			t.Errorf("and again: %v", err)
		}
	})
}

type key struct{}

// What a policy sees of a call that was ended: it says nothing of the server, and is not repeated.
func TestWhatWasCutOffIsIgnored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g holdfast.Gate
		var seen holdfast.Result
		sees := holdfast.PolicyFunc(func(next holdfast.Handler) holdfast.Handler {
			return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
				seen = next(ctx, call)
				if why, may := call.MayRepeat(ctx); may || why != "the client is closed" {
					t.Errorf("it may be repeated: %v, %q", may, why)
				}
				return seen
			}
		})
		time.AfterFunc(time.Second, func() { _ = g.Close() })
		_, err := holdfast.Do(t.Context(), holdfast.Chain(&g, sees), asked, until(time.Hour))
		if !errors.Is(err, holdfast.ErrClosed) || seen.Class != holdfast.Ignored || seen.Code != holdfast.CodeClosed {
			t.Errorf("%v: %+v", err, seen)
		}
	})
}

func TestAClosedGateTellsOfItsRejections(t *testing.T) {
	var g holdfast.Gate
	_ = g.Close()
	var told []holdfast.Event
	l := holdfast.NewListener(func(_ context.Context, e holdfast.Event) { told = append(told, e) })
	listens := holdfast.PolicyFunc(func(next holdfast.Handler) holdfast.Handler {
		return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
			call.Record.Listen(l)
			res := next(ctx, call)
			if res.Class != holdfast.Ignored || res.Code != holdfast.CodeClosed {
				t.Errorf("%+v", res)
			}
			return res
		}
	})
	_, err := holdfast.Do(t.Context(), holdfast.Chain(listens, &g), asked, until(0))
	if !errors.Is(err, holdfast.ErrClosed) || len(told) != 1 || told[0].Kind != "rejection" || told[0].Policy != "gate" || told[0].Reason != "closed" {
		t.Errorf("%v: %+v", err, told)
	}
}

// A wait ends when any of the gates that the call has passed is closed, and not when one is that
// only an outer call has passed.
func TestWaitingEndsWhenTheGateIsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for closed := range 4 {
			gates := make([]holdfast.Gate, 4)
			waits := holdfast.PolicyFunc(func(next holdfast.Handler) holdfast.Handler {
				return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
					wait, done := call.Waiting(ctx)
					defer done()
					select {
					case <-wait.Done():
						return call.Reject(ctx, holdfast.Event{Policy: "waits", Err: context.Cause(wait)})
					case <-time.After(time.Minute):
						return next(ctx, call)
					}
				}
			})
			inner := holdfast.Chain(&gates[1], &gates[2], waits)
			time.AfterFunc(time.Second, func() { go func() { _ = gates[closed].Shutdown(context.Background()) }() })
			start := time.Now()
			_, err := holdfast.Do(t.Context(), holdfast.Chain(&gates[0]), asked, func(ctx context.Context) (int, error) {
				return holdfast.Do(ctx, inner, asked, until(0))
			})
			if released := errors.Is(err, holdfast.ErrClosed) && time.Since(start) == time.Second; released != (closed == 1 || closed == 2) {
				t.Errorf("gate %d was closed: %v after %v", closed, err, time.Since(start))
			}
		}
		// There is none: the wait is the context itself.
		call := &holdfast.Call{Record: new(holdfast.Record)}
		if wait, done := call.Waiting(t.Context()); wait != t.Context() {
			t.Error("a context was made for nothing")
		} else {
			done()
		}
	})
}

// A call that is under way can make those that it needs, such as a login on the connection of its
// first command; what it leaves behind makes none.
func TestACallWithinACallPassesAClosedGate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g holdfast.Gate
		h := holdfast.Chain(&g)
		inner := holdfast.Call{Target: "login"}
		left := make(chan error)
		time.AfterFunc(time.Second, func() { go func() { _ = g.Shutdown(context.Background()) }() })
		_, err := holdfast.Do(t.Context(), h, asked, func(ctx context.Context) (int, error) {
			time.Sleep(2 * time.Second)
			detached := context.WithoutCancel(ctx)
			go func() {
				time.Sleep(time.Second)
				_, err := holdfast.Do(detached, h, inner, until(0))
				left <- err
			}()
			return holdfast.Do(ctx, h, inner, until(0))
		})
		if err != nil {
			t.Errorf("within the call: %v", err)
		}
		if err := <-left; !errors.Is(err, holdfast.ErrClosed) {
			t.Errorf("left behind: %v", err)
		}
		if err := g.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestANilGateIsHarmless(t *testing.T) {
	var g *holdfast.Gate
	if err := errors.Join(g.Shutdown(t.Context()), g.Close()); err != nil {
		t.Error(err)
	}
	if v, err := holdfast.Do(t.Context(), holdfast.Chain(g), asked, until(0)); v != 1 || err != nil {
		t.Error(v, err)
	}
	var zero holdfast.Gate
	if err := errors.Join(zero.Close(), zero.Shutdown(t.Context()), zero.Close()); err != nil {
		t.Error(err)
	}
}

// Close waits for nothing, so that a call itself may close its gate.
func TestCloseWithinACall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g holdfast.Gate
		_, err := holdfast.Do(t.Context(), holdfast.Chain(&g), asked, func(ctx context.Context) (int, error) {
			_ = g.Close()
			return 0, ctx.Err()
		})
		if !errors.Is(err, holdfast.ErrClosed) {
			t.Error(err)
		}
	})
}

// Every call is either refused or waited for, however many come as the gate is closed.
func TestAGateUnderLoad(t *testing.T) {
	for range 200 {
		var g holdfast.Gate
		var running, sent atomic.Int64
		h := holdfast.Chain(&g)
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for {
					_, err := holdfast.Do(t.Context(), h, asked, func(context.Context) (int, error) {
						running.Add(1)
						defer running.Add(-1)
						sent.Add(1)
						return 0, nil
					})
					if err != nil {
						if !errors.Is(err, holdfast.ErrClosed) {
							t.Error(err)
						}
						return
					}
				}
			})
		}
		for sent.Load() < 50 {
			runtime.Gosched()
		}
		if err := g.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		n, before := running.Load(), sent.Load()
		wg.Wait()
		if n != 0 || sent.Load() != before {
			t.Fatalf("%d calls were under way after the shutdown, and %d were sent", n, sent.Load()-before)
		}
	}
}

func TestAGateCostsNoAllocation(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates; the ordinary run measures")
	}
	cost := func(h holdfast.Handler) float64 {
		return testing.AllocsPerRun(1000, func() {
			_, _ = holdfast.Do(context.Background(), h, asked, func(context.Context) (int, error) { return 1, nil })
		})
	}
	if bare, got := cost(holdfast.Chain()), cost(holdfast.Chain(new(holdfast.Gate))); got != bare {
		t.Errorf("%v allocations, %v without", got, bare)
	}
}

func BenchmarkGate(b *testing.B) {
	for name, h := range map[string]holdfast.Handler{"bare": holdfast.Chain(), "gate": holdfast.Chain(new(holdfast.Gate))} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = holdfast.Do(b.Context(), h, asked, func(context.Context) (int, error) { return 1, nil })
			}
		})
	}
}
