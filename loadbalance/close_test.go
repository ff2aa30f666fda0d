package loadbalance_test

import (
	"context"
	"errors"
	"iter"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/discovery"
	"github.com/holdfast-go/holdfast/loadbalance"
)

// silent is a Resolver that never answers.
var silent = discovery.Func(func(ctx context.Context) iter.Seq2[[]discovery.Endpoint, error] {
	return func(func([]discovery.Endpoint, error) bool) { <-ctx.Done() }
})

func try(ctx context.Context, h holdfast.Handler, f func(context.Context) (int, error)) error {
	_, err := holdfast.Do(ctx, h, holdfast.Call{Target: "t", Repeatable: true}, f)
	return err
}

func answers(context.Context) (int, error) { return 0, nil }

// Closing a Set releases who waits for its first answer, or for an endpoint that is well; a
// gate that the call has passed does the same for its calls alone.
func TestCloseReleasesWhoWaitsForAnEndpoint(t *testing.T) {
	never := loadbalance.Checks{Probe: func(context.Context, discovery.Endpoint) error { return errors.New("ill") }}
	for name, c := range map[string]struct {
		resolver discovery.Resolver
		o        loadbalance.Options
		gate     bool
	}{
		"the first answer":            {silent, loadbalance.Options{}, false},
		"the first answer, by a gate": {silent, loadbalance.Options{}, true},
		"one that is well":            {discovery.Static("a"), loadbalance.Options{Await: time.Hour, Check: never}, false},
		"one that is well, by a gate": {discovery.Static("a"), loadbalance.Options{Await: time.Hour, Check: never}, true},
		"one at all":                  {discovery.Static(), loadbalance.Options{Await: time.Hour}, false},
		"one at all, by a gate":       {discovery.Static(), loadbalance.Options{Await: time.Hour}, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := loadbalance.New(c.resolver, nil, c.o)
				defer s.Close()
				synctest.Wait()
				var gate holdfast.Gate
				if c.gate {
					time.AfterFunc(time.Second, func() { _ = gate.Shutdown(context.Background()) })
				} else {
					time.AfterFunc(time.Second, s.Close)
				}
				start := time.Now()
				err := try(t.Context(), holdfast.Chain(&gate, s), answers)
				if !errors.Is(err, holdfast.ErrClosed) || time.Since(start) != time.Second {
					t.Errorf("%v after %v", err, time.Since(start))
				}
			})
		})
	}
}

func TestAClosedSetTakesNoCallAndLetsTheOthersFinish(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := loadbalance.New(discovery.Static("a", "b"), nil, loadbalance.Options{})
		h := holdfast.Chain(s)
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := try(t.Context(), h, func(ctx context.Context) (int, error) { time.Sleep(time.Minute); return 0, ctx.Err() }); err != nil {
				t.Errorf("it was with an endpoint: %v", err)
			}
		})
		synctest.Wait()
		for range 3 {
			wg.Go(s.Close)
		}
		synctest.Wait()
		sent := false
		err := try(t.Context(), h, func(context.Context) (int, error) { sent = true; return 0, nil })
		if !errors.Is(err, holdfast.ErrClosed) || sent {
			t.Errorf("%v, sent: %v", err, sent)
		}
		wg.Wait()
	})
}

// Nothing runs any more when Close returns: no watcher, no check, no timer.
func TestCloseEndsAllThatRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var watching, checking atomic.Int64
		source := discovery.Func(func(ctx context.Context) iter.Seq2[[]discovery.Endpoint, error] {
			return func(yield func([]discovery.Endpoint, error) bool) {
				watching.Add(1)
				defer watching.Add(-1)
				for i := 0; ctx.Err() == nil; i++ { // of which one endpoint goes each time
					if !yield([]discovery.Endpoint{{Addr: string(rune('a' + i%3))}, {Addr: "z"}}, nil) {
						return
					}
					select {
					case <-ctx.Done():
					case <-time.After(time.Second):
					}
				}
			}
		})
		probe := func(ctx context.Context, _ discovery.Endpoint) error {
			checking.Add(1)
			defer checking.Add(-1)
			<-ctx.Done()
			runtime.Gosched()
			return ctx.Err()
		}
		s := loadbalance.New(source, nil, loadbalance.Options{Drain: time.Hour, Check: loadbalance.Checks{Probe: probe, Interval: time.Second, Timeout: 10 * time.Second}})
		time.Sleep(10500 * time.Millisecond)
		before := time.Now()
		s.Close()
		if w, c := watching.Load(), checking.Load(); w+c != 0 || time.Since(before) != 0 {
			t.Errorf("%d watchers and %d checks still run, after %v", w, c, time.Since(before))
		}
		// The bubble ends only when all of its goroutines have; of timers it knows by the clock,
		// which goes on while there are any.
	})
}

// A listener may close what it listens to.
func TestCloseWithinAListener(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, check := range []bool{false, true} {
			var s *loadbalance.Set
			var source discovery.Source
			o := loadbalance.Options{}
			if check { // told by a check, and else by the watcher
				o.Check.Probe = func(context.Context, discovery.Endpoint) error { return errors.New("ill") }
			}
			s = loadbalance.New(&source, nil, o)
			closed := make(chan struct{})
			var once sync.Once
			s.Watch(func(_ context.Context, e holdfast.Event) {
				if check == (e.Kind == "endpoint") {
					s.Close()
					once.Do(func() { close(closed) })
				}
			})
			source.Publish(1, discovery.Endpoint{Addr: "a"})
			<-closed
			s.Close()
		}
	})
}

func TestNilAndZeroAreHarmless(t *testing.T) {
	var pool *loadbalance.Pool
	pool.Close()
	for _, s := range []*loadbalance.Set{nil, {}} {
		s.Close()
		s.OnDrained(func(string) {})
		s.Watch(func(context.Context, holdfast.Event) {})()
		if err := try(t.Context(), holdfast.Chain(s), answers); err != nil || s.Owner() != nil {
			t.Error(err, s.Owner())
		}
	}
}

// Who is told that an endpoint is drained may close the Set, though that is told by what watches.
func TestWhoIsToldOfADrainedEndpointMayClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := loadbalance.New(discovery.Func(func(ctx context.Context) iter.Seq2[[]discovery.Endpoint, error] {
			return func(yield func([]discovery.Endpoint, error) bool) {
				yield([]discovery.Endpoint{{Addr: "a:1"}, {Addr: "b:1"}}, nil)
				yield([]discovery.Endpoint{{Addr: "a:1"}}, nil)
				<-ctx.Done()
			}
		}), nil, loadbalance.Options{})
		drained := make(chan string, 1)
		s.OnDrained(func(addr string) { s.Close(); drained <- addr })
		synctest.Wait()
		select {
		case addr := <-drained:
			if addr != "b:1" {
				t.Error(addr)
			}
		case <-time.After(time.Second):
			t.Fatal("it waits for itself")
		}
		s.Close()
	})
}
