package loadbalance_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/discovery"
	"github.com/holdfast-go/holdfast/loadbalance"
)

// sick is checks that say so, while it is true.
func sick(is *atomic.Bool) loadbalance.Checks {
	return loadbalance.Checks{Interval: time.Second, Probe: func(context.Context, discovery.Endpoint) error {
		if is.Load() {
			return errors.New("sick")
		}
		return nil
	}}
}

// httplb's list: a call waits for a node that is well, in the place of an error or of
// one that is ill.
func TestAwaitWaitsForANodeThatIsWell(t *testing.T) {
	var ill atomic.Bool
	ill.Store(true)
	in(t, 3, nil, loadbalance.Options{Await: time.Minute, Check: sick(&ill)}, func(t *testing.T, _ *loadbalance.Set, h holdfast.Handler) {
		w := newWorld(func(ctx context.Context, _ string, _ int) holdfast.Result { return takes(ctx, 0) })
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		start := time.Now()
		res := w.call(ctx, h)
		var none *loadbalance.NoEndpointError
		if time.Since(start) != 2*time.Second || !errors.As(res.Err, &none) || !errors.Is(res.Err, context.DeadlineExceeded) || res.Class != holdfast.Ignored || len(w.got) > 0 {
			t.Errorf("%v after %v: %v", res, time.Since(start), w.got)
		}
		time.AfterFunc(10*time.Second, func() { ill.Store(false) })
		start = time.Now()
		if res := w.call(t.Context(), h); res.Class != holdfast.Success || time.Since(start) < 10*time.Second || time.Since(start) > 14*time.Second {
			t.Errorf("%v after %v", res, time.Since(start))
		}
		start = time.Now()
		if w.call(t.Context(), h); time.Since(start) != 0 {
			t.Errorf("all are well, and it waited %v", time.Since(start))
		}
		ill.Store(true)
		time.Sleep(10 * time.Second) // three bad checks each
		w.reset()
		start = time.Now()
		if res := w.call(t.Context(), h); res.Class != holdfast.Success || time.Since(start) != time.Minute || len(w.got) != 1 {
			t.Errorf("when the wait is over one that is ill is asked: %v after %v", res, time.Since(start))
		}
	})
}

func TestAwaitWaitsForAnEndpoint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := new(discovery.Source)
		s := loadbalance.New(source, nil, loadbalance.Options{Await: 3 * time.Second})
		defer s.Close()
		source.Publish(1)
		synctest.Wait()
		w := newWorld(func(ctx context.Context, _ string, _ int) holdfast.Result { return takes(ctx, 0) })
		start := time.Now()
		if res := w.call(t.Context(), holdfast.Chain(s)); !errors.Is(res.Err, loadbalance.ErrNoEndpoint) || time.Since(start) != 3*time.Second {
			t.Errorf("%v after %v", res, time.Since(start))
		}
		time.AfterFunc(time.Second, func() { source.Publish(2, discovery.Endpoint{Addr: "a"}) })
		start = time.Now()
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				if res := w.call(t.Context(), holdfast.Chain(s)); res.Class != holdfast.Success || time.Since(start) != time.Second {
					t.Errorf("%v after %v", res, time.Since(start))
				}
			})
		}
		wg.Wait()
	})
}

// Where all are ejected, the first one that waits is the probe, and a probe that comes
// to nothing leaves its turn to the next one.
func TestAwaitWaitsForAProbe(t *testing.T) {
	o := loadbalance.Options{Await: time.Minute, Eject: loadbalance.EjectOptions{MaxShare: 1, ConsecutiveFailures: 1}}
	in(t, 2, nil, o, func(t *testing.T, _ *loadbalance.Set, h holdfast.Handler) {
		var down atomic.Bool
		down.Store(true)
		w := newWorld(func(ctx context.Context, _ string, _ int) holdfast.Result {
			if down.Load() {
				return bad
			}
			return takes(ctx, 5*time.Second)
		})
		for range 50 {
			if w.call(t.Context(), h); len(w.got) == 2 {
				break
			}
		}
		down.Store(false)
		w.reset()
		start := time.Now()
		gaveUp, cancel := context.WithTimeout(t.Context(), 40*time.Second)
		defer cancel()
		var wg sync.WaitGroup
		var took []time.Duration
		var mu sync.Mutex
		for i := range 3 {
			wg.Go(func() {
				ctx := t.Context()
				if i == 0 {
					ctx = gaveUp
				}
				w.call(ctx, h)
				mu.Lock()
				took = append(took, time.Since(start))
				mu.Unlock()
			})
			synctest.Wait()
		}
		wg.Wait()
		for _, d := range took {
			if d < 27*time.Second || d > 50*time.Second {
				t.Errorf("the calls came back after %v", took)
			}
		}
	})
}

// A probe whose caller leaves gives its turn to who waits, and so does one that panics.
func TestAwaitGoesOnWhenAProbeEndsInNothing(t *testing.T) {
	t.Run("left", func(t *testing.T) { probeEndsInNothing(t, false) })
	t.Run("panicked", func(t *testing.T) { probeEndsInNothing(t, true) })
}

func probeEndsInNothing(t *testing.T, panics bool) {
	t.Helper()
	o := loadbalance.Options{Await: 10 * time.Minute, Eject: loadbalance.EjectOptions{MaxShare: 1, ConsecutiveFailures: 1}}
	in(t, 2, nil, o, func(t *testing.T, _ *loadbalance.Set, h holdfast.Handler) {
		hang, cancel := context.WithCancel(t.Context())
		stage := 0
		var asked atomic.Int32
		w := newWorld(func(ctx context.Context, _ string, _ int) holdfast.Result {
			switch stage {
			case 0:
				return bad
			case 1:
				asked.Add(1)
				res := takes(ctx, time.Hour)
				if panics {
					panic("in a probe")
				}
				return res
			}
			return takes(ctx, 0)
		})
		for range 50 {
			if w.call(t.Context(), h); len(w.got) == 2 {
				break
			}
		}
		stage = 1
		var wg sync.WaitGroup
		for range 2 { // one for each node
			wg.Go(func() {
				defer func() { _ = recover() }()
				w.call(hang, h)
			})
		}
		for asked.Load() < 2 { // ejections last for 30 s and a part that is drawn by lot
			time.Sleep(time.Second)
		}
		wg.Go(func() {
			start := time.Now()
			if res := w.call(t.Context(), h); res.Class != holdfast.Success || time.Since(start) != 5*time.Second {
				t.Errorf("%v after %v", res, time.Since(start))
			}
		})
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if n := asked.Load(); n != 2 { // whoever wakes up and is not the probe goes on waiting
			t.Errorf("%d calls were sent to two nodes that are to show whether they are back", n)
		}
		stage = 2
		cancel()
		wg.Wait()
	})
}

// A wait, whatever ends it, after which a policy further in spends what is left of the call's time
// blames nobody.
func TestAWaitBeforeTheTimeIsSpentFurtherIn(t *testing.T) {
	for name, c := range map[string]struct {
		there time.Duration // when the endpoint is
		await time.Duration
		ill   bool // its check fails, for ever
		want  holdfast.Class
	}{
		"no wait":                    {want: holdfast.Failure},
		"for discovery":              {there: time.Second / 2, want: holdfast.Ignored},
		"for an endpoint":            {there: time.Second / 2, await: time.Minute, want: holdfast.Ignored},
		"for one that is never well": {await: time.Second / 2, ill: true, want: holdfast.Ignored},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var ill atomic.Bool
				ill.Store(c.ill)
				source := new(discovery.Source)
				s := loadbalance.New(source, nil, loadbalance.Options{Await: c.await, Check: sick(&ill)})
				defer s.Close()
				if c.await > 0 {
					source.Publish(1) // it is known that there is none yet
				}
				time.AfterFunc(c.there, func() { source.Publish(2, discovery.Endpoint{Addr: "a"}) })
				time.Sleep(1)
				synctest.Wait()
				var got holdfast.Class
				limited := holdfast.PolicyFunc(func(next holdfast.Handler) holdfast.Handler {
					return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
						ctx, cancel := context.WithTimeoutCause(ctx, time.Second, call.TimedOut(time.Second, "attempt"))
						defer cancel()
						call.Limit(time.Second)
						res := next(ctx, call)
						got = res.Class
						return res
					}
				})
				lag := holdfast.PolicyFunc(func(next holdfast.Handler) holdfast.Handler {
					return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
						<-ctx.Done()
						return next(ctx, call)
					}
				})
				_, _ = holdfast.Do(t.Context(), holdfast.Chain(limited, s, lag), holdfast.Call{Target: "t"}, func(context.Context) (int, error) { return 1, nil })
				if got != c.want {
					t.Errorf("judged as %v, want %v", got, c.want)
				}
			})
		})
	}
}
