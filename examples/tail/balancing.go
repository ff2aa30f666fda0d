package main

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/holdfast-go/holdfast/loadbalance"
)

const seed = 1

// e1 is Buoyant's of 2016, with success meaning an answer within a second.
func e1() []row {
	success := func(strategy loadbalance.Strategy) (part float64) {
		inBubble(func() {
			start := time.Now()
			w := newWorld(seed, func(w *world, server int, ctx context.Context) error {
				at := time.Since(start)
				if server == 0 && at >= 15*time.Second && at < 45*time.Second {
					return wait(ctx, 2*time.Second)
				}
				return wait(ctx, w.normal(167*time.Millisecond, 5*time.Millisecond))
			})
			b := newBalanced(11, strategy)
			defer b.set.Close()
			w.open(b, 1000, time.Minute)
			part = w.within(time.Second)
		})
		return part
	}
	rr := success(loadbalance.RoundRobin)
	return []row{
		near("round robin: answers within 1 s", "%", 95.45, rr, 0.1/95.45),
		least("least request: answers within 1 s", "%", 99, success(loadbalance.LeastRequest), 99.4),
		least("peak EWMA: answers within 1 s", "%", 99.9, success(loadbalance.PeakEWMA), 99.9),
	}
}

// e2 is that of tower's pull request 76.
func e2() []row {
	const ms = time.Millisecond
	slowest := []time.Duration{ms, 10 * ms, 10 * ms, 10 * ms, 10 * ms, 100 * ms, 100 * ms, 100 * ms, 100 * ms, 1000 * ms}
	measure := func(strategy loadbalance.Strategy) (w *world, wall float64) {
		inBubble(func() {
			w = newWorld(seed, func(w *world, server int, ctx context.Context) error {
				return wait(ctx, w.uniform(slowest[server]))
			})
			b := newBalanced(len(slowest), strategy)
			defer b.set.Close()
			start := time.Now()
			w.closed(b, 50_000, 50)
			wall = time.Since(start).Seconds()
		})
		return w, wall
	}
	ewma, wall := measure(loadbalance.NewPeakEWMA(2))
	least2, wallLeast := measure(loadbalance.NewLeastRequest(2))
	turn, wallTurn := measure(loadbalance.RoundRobin)
	_, wallFull := measure(loadbalance.NewPeakEWMA(-1))
	return []row{
		near("peak EWMA of two: p50", "ms", 5, ewma.percentile(.5), 0.05), near("peak EWMA of two: p99", "ms", 96, ewma.percentile(.99), 0.05),
		most("peak EWMA of two: p99.9", "ms", 105, ewma.percentile(.999), 105*1.05), near("peak EWMA of two: all calls", "s", 15, wall, 0.05),
		near("least request of two: p50", "ms", 5, least2.percentile(.5), 0.05), near("least request of two: p99.9", "ms", 857, least2.percentile(.999), 0.05),
		near("least request of two: all calls", "s", 18, wallLeast, 0.05),
		near("round robin: p99", "ms", 906, turn.percentile(.99), 0.05), near("round robin: all calls", "s", 72, wallTurn, 0.05),
		most("peak EWMA of all: all calls", "s", 2.5, wallFull, 2.5),
	}
}

// e3 is that of brpc's issue 3340.
func e3() []row {
	p99 := func(slow int, strategy loadbalance.Strategy) (us float64) {
		inBubble(func() {
			w := newWorld(seed, func(w *world, server int, ctx context.Context) error {
				d := 250*time.Microsecond + w.uniform(100*time.Microsecond)
				if server < slow {
					d += 5 * time.Millisecond
				}
				return wait(ctx, d)
			})
			b := newBalanced(4, strategy)
			defer b.set.Close()
			w.open(b, 4000, 15*time.Second)
			us = 1000 * w.percentile(.99)
		})
		return us
	}
	healthy := p99(0, loadbalance.PeakEWMA)
	return []row{
		most("one slow: p99 of peak EWMA of two", "us", 337, p99(1, loadbalance.NewPeakEWMA(2)), 1.2*healthy),
		most("two slow: p99 of peak EWMA of three", "us", 307, p99(2, loadbalance.PeakEWMA), 1.2*healthy),
		least("one slow: p99 of round robin", "us", 6474, p99(1, loadbalance.RoundRobin), 5000),
	}
}

// e4 is "C2" of sathwick's.
func e4() []row {
	slowShare := func(strategy func(w *world) loadbalance.Strategy) (part float64) {
		inBubble(func() {
			w := newWorld(seed, func(w *world, server int, ctx context.Context) error {
				d := w.normal(50*time.Millisecond, 5*time.Millisecond)
				if server < 2 {
					d *= 16
				}
				return wait(ctx, d)
			})
			b := newBalanced(16, strategy(w))
			defer b.set.Close()
			w.open(b, 500, 300*time.Second)
			part = w.share(0, 1)
		})
		return part
	}
	is := func(s loadbalance.Strategy) func(*world) loadbalance.Strategy {
		return func(*world) loadbalance.Strategy { return s }
	}
	return []row{
		near("round robin: share of the two slow servers", "%", 12.5, slowShare(is(loadbalance.RoundRobin)), 0.05),
		most("peak EWMA of two: their share", "%", 0.87, slowShare(is(loadbalance.PeakEWMA)), 1),
		most("peak EWMA of all: their share", "%", 0.037, slowShare(is(loadbalance.NewPeakEWMA(-1))), 0.1),
	}
}

// A site is servers of some workers each, which say what they have to do.
type site struct {
	mu      sync.Mutex
	workers []chan struct{}
	rif     []int
	recent  [][]time.Duration
	slowed  []int
}

func newSite(n, workers int) *site {
	s := &site{rif: make([]int, n), recent: make([][]time.Duration, n)}
	for range n {
		s.workers = append(s.workers, make(chan struct{}, workers))
	}
	return s
}

// serve waits for a worker and works.
func (s *site) serve(ctx context.Context, server int, d time.Duration) error {
	start := time.Now()
	s.mu.Lock()
	s.rif[server]++
	if slices.Contains(s.slowed, server) {
		d *= 2
	}
	s.mu.Unlock()
	s.workers[server] <- struct{}{}
	err := wait(ctx, d)
	<-s.workers[server]
	s.mu.Lock()
	s.rif[server]--
	s.recent[server] = append(s.recent[server], time.Since(start))
	if len(s.recent[server]) > 32 {
		s.recent[server] = s.recent[server][1:]
	}
	s.mu.Unlock()
	return err
}

// signal is what a server says of itself.
func (s *site) signal(server int) loadbalance.Signal {
	s.mu.Lock()
	defer s.mu.Unlock()
	sorted := slices.Clone(s.recent[server])
	slices.Sort(sorted)
	median := time.Millisecond
	if len(sorted) > 0 {
		median = sorted[len(sorted)/2]
	}
	return loadbalance.Signal{InFlight: s.rif[server], Latency: median}
}

// e5 is the grid of prequal-rs at 90 % load: antagonists slow four servers of twenty
// down to half, others every two seconds.
func e5() []row {
	const n, workers, load = 20, 4, 0.9
	p99 := func(prequal bool) (ms float64) {
		inBubble(func() {
			s := newSite(n, workers)
			w := newWorld(seed, nil)
			service := func() time.Duration {
				for {
					if d := w.draw(func(r *rand.Rand) float64 { return r.NormFloat64() })*20 + 20; d > 0 {
						return time.Duration(d * float64(time.Millisecond))
					}
				}
			}
			ctx, stop := context.WithCancel(context.Background())
			go func() {
				for at := 0; ctx.Err() == nil; at += 4 {
					s.mu.Lock()
					s.slowed = []int{at % n, (at + 1) % n, (at + 2) % n, (at + 3) % n}
					s.mu.Unlock()
					_ = wait(ctx, 2*time.Second)
				}
			}()
			const mean = 25.75e-3 // of that normal above zero
			capacity := n * workers * 0.9 / mean
			var wg sync.WaitGroup
			var sets []*loadbalance.Set
			for range n {
				strategy := loadbalance.NewPeakEWMA(2)
				if prequal {
					strategy = loadbalance.NewPrequal(loadbalance.PrequalOptions{Rate: 0.5, Probe: func(_ context.Context, addr string) (loadbalance.Signal, error) {
						return s.signal(number(addr)), nil
					}})
				}
				b := newBalanced(n, strategy)
				sets = append(sets, b.set)
				mine := newWorld(w.rand.Uint64(), func(_ *world, server int, ctx context.Context) error {
					err := s.serve(ctx, server, service())
					if prequal {
						b.set.Report(text(server), s.signal(server))
					}
					return err
				})
				wg.Go(func() {
					mine.open(b, load*capacity/n, 60*time.Second)
					w.mu.Lock()
					w.took = append(w.took, mine.took...)
					w.mu.Unlock()
				})
			}
			wg.Wait()
			stop()
			for _, s := range sets {
				s.Close()
			}
			ms = w.percentile(.99)
		})
		return ms
	}
	ewma, prequal := p99(false), p99(true)
	return []row{most("p99 of Prequal beside that of peak EWMA of two", "x", 0.64, prequal/ewma, 0.72)}
}

// e16 is the black hole.
func e16() []row {
	errs := func(strategy loadbalance.Strategy) (part float64) {
		inBubble(func() {
			w := newWorld(seed, func(_ *world, server int, ctx context.Context) error {
				if server == 0 {
					_ = wait(ctx, 200*time.Microsecond)
					return errFailed
				}
				return wait(ctx, 20*time.Millisecond)
			})
			b := newBalanced(10, strategy)
			defer b.set.Close()
			w.open(b, 1000, time.Second)
			w.bad, w.took = 0, nil
			w.open(b, 1000, 29*time.Second)
			part = 100 * float64(w.bad) / float64(len(w.took))
		})
		return part
	}
	return []row{
		most("peak EWMA: errors after the first second", "%", 19.7, errs(loadbalance.PeakEWMA), 0.1),
		most("least request: errors after the first second", "%", 18.8, errs(loadbalance.LeastRequest), 0.1),
	}
}

// e17 is the frozen server.
func e17() []row {
	share := func(strategy loadbalance.Strategy) (part float64) {
		inBubble(func() {
			w := newWorld(seed, func(_ *world, server int, ctx context.Context) error {
				if server == 0 {
					return wait(ctx, 30*time.Second)
				}
				return wait(ctx, 10*time.Millisecond)
			})
			b := newBalanced(4, strategy)
			defer b.set.Close()
			w.open(b, 200, 5*time.Minute)
			part = w.share(0)
		})
		return part
	}
	return []row{
		most("least request of two: share of the frozen server", "%", 6.36, share(loadbalance.NewLeastRequest(2)), 0.1),
		most("peak EWMA: its share", "%", 6.36, share(loadbalance.PeakEWMA), 0.1),
	}
}
