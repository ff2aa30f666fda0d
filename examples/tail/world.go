package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/discovery"
	"github.com/holdfast-go/holdfast/loadbalance"
)

// A world is servers in virtual time and the calls that were made to them.
type world struct {
	mu    sync.Mutex
	serve func(w *world, server int, ctx context.Context) error
	rand  *rand.Rand
	got   map[int]int
	took  []time.Duration
	bad   int
}

func newWorld(seed uint64, serve func(w *world, server int, ctx context.Context) error) *world {
	return &world{serve: serve, rand: rand.New(rand.NewPCG(seed, 0x7a11)), got: map[int]int{}} //nolint:gosec // for experiments to be repeated
}

// draw draws under the lock, since calls run side by side.
func (w *world) draw(f func(r *rand.Rand) float64) float64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return f(w.rand)
}

// uniform is a duration up to most.
func (w *world) uniform(most time.Duration) time.Duration {
	return time.Duration(w.draw(func(r *rand.Rand) float64 { return r.Float64() }) * float64(most))
}

// normal is a duration by mean and deviation, at least 0.
func (w *world) normal(mean, sd time.Duration) time.Duration {
	return time.Duration(max(0, w.draw(func(r *rand.Rand) float64 { return r.NormFloat64() })*float64(sd)+float64(mean)))
}

var errFailed = holdfast.Mark(errors.New("failed"), holdfast.Failure, 0)

// wait takes so long, or until ctx ends.
func wait(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// A balanced is a client's Set over n servers and the Handler through it.
type balanced struct {
	set *loadbalance.Set
	h   holdfast.Handler
}

// infra counts an error of these experiments, which have no status.
func infra(res holdfast.Result) bool {
	return res.Class == holdfast.Failure
}

func newBalanced(n int, strategy loadbalance.Strategy) *balanced {
	var addrs []string
	for i := range n {
		addrs = append(addrs, fmt.Sprint(i))
	}
	s := loadbalance.New(discovery.Static(addrs...), strategy, loadbalance.Options{Eject: loadbalance.EjectOptions{Counts: infra}})
	synctest.Wait()
	return &balanced{s, holdfast.Chain(s)}
}

// one makes one call.
func (w *world) one(b *balanced) {
	start := time.Now()
	_, err := holdfast.Do(context.Background(), b.h, holdfast.Call{Target: "t", Repeatable: true}, func(ctx context.Context) (int, error) {
		var server int
		_, _ = fmt.Sscan(holdfast.CallFrom(ctx).Endpoint, &server)
		w.mu.Lock()
		w.got[server]++
		w.mu.Unlock()
		return 0, w.serve(w, server, ctx)
	})
	took := time.Since(start)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.took = append(w.took, took)
	if err != nil {
		w.bad++
	}
}

// open makes rate calls a second for so long, as a Poisson process.
func (w *world) open(b *balanced, rate float64, d time.Duration) {
	var wg sync.WaitGroup
	for end := time.Now().Add(d); time.Now().Before(end); {
		wg.Go(func() { w.one(b) })
		time.Sleep(time.Duration(w.draw(func(r *rand.Rand) float64 { return r.ExpFloat64() }) / rate * 1e9))
	}
	wg.Wait()
}

// closed makes n calls, so many at a time.
func (w *world) closed(b *balanced, n, atOnce int) {
	var wg sync.WaitGroup
	var left sync.Mutex
	for range atOnce {
		wg.Go(func() {
			for {
				left.Lock()
				n--
				more := n >= 0
				left.Unlock()
				if !more {
					return
				}
				w.one(b)
			}
		})
	}
	wg.Wait()
}

// share is the part of all attempts that went to the servers, in percent.
func (w *world) share(servers ...int) float64 {
	sum, these := 0, 0
	for s, n := range w.got {
		sum += n
		if slices.Contains(servers, s) {
			these += n
		}
	}
	return 100 * float64(these) / float64(max(sum, 1))
}

// percentile in milliseconds, by nearest rank.
func (w *world) percentile(p float64) float64 {
	if len(w.took) == 0 {
		return 0
	}
	slices.Sort(w.took)
	rank := int(math.Ceil(p*float64(len(w.took)) - 1e-9))
	return float64(w.took[min(max(rank, 1), len(w.took))-1]) / float64(time.Millisecond)
}

// within is the part of the calls that took no longer, in percent.
func (w *world) within(d time.Duration) float64 {
	n := 0
	for _, took := range w.took {
		if took <= d {
			n++
		}
	}
	return 100 * float64(n) / float64(max(len(w.took), 1))
}
