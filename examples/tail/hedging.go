package main

import (
	"context"
	"math"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/hedge"
)

// e11 is arithmetic that a simulation must agree with.
func e11() []row {
	w := newWorld(seed, nil)
	slow := func(part float64, fanout int) float64 {
		const queries = 20_000
		n := 0
		for range queries {
			for range fanout {
				if w.rand.Float64() < part {
					n++
					break
				}
			}
		}
		return 100 * float64(n) / queries
	}
	return []row{
		near("1 in 100 slow, 100 servers: slow answers", "%", 63.4, slow(0.01, 100), 0.02),
		near("1 in 10,000 slow, 2,000 servers: slow answers", "%", 18.1, slow(0.0001, 2000), 0.05),
	}
}

// hedged runs calls through a hedge, atOnce of a query at a time, and returns what
// the queries took and the part of calls that were sent twice.
func hedged(h *hedge.Hedge, queries, atOnce int, takes func(r *rand.Rand) float64) (w *world, extra float64) {
	inBubble(func() {
		w = newWorld(seed, nil)
		chain := holdfast.Chain(h)
		leaf := func() {
			_, _ = holdfast.Do(context.Background(), chain, holdfast.Call{Target: "t", Repeatable: true}, func(ctx context.Context) (int, error) {
				return 0, wait(ctx, time.Duration(w.draw(takes)*float64(time.Millisecond)))
			})
		}
		for range queries {
			start := time.Now()
			if atOnce == 1 {
				leaf()
			} else {
				var wg sync.WaitGroup
				for range atOnce {
					wg.Go(leaf)
				}
				wg.Wait()
			}
			w.took = append(w.took, time.Since(start))
		}
		extra = 100 * float64(h.Stats("t").Hedges) / float64(queries*atOnce)
	})
	return w, extra
}

// e13 is the BigTable of "The Tail at Scale": a leaf takes up to 10 ms, one in fifty
// as a Pareto distribution with 10 ms and 1.46.
func e13() []row {
	takes := func(r *rand.Rand) float64 {
		if r.Float64() < 0.02 {
			return 10 / math.Pow(1-r.Float64(), 1/1.46)
		}
		return 10 * r.Float64()
	}
	const queries, leaves = 3000, 100
	none, _ := hedged(hedge.New(hedge.Options{MaxHedges: -1}), queries, leaves, takes)
	w, extra := hedged(hedge.New(hedge.Options{Delay: 10 * time.Millisecond, Share: -1}), queries, leaves, takes)
	return []row{
		least("p99.9 without hedging", "ms", 1800, none.percentile(.999), 900),
		most("p99.9 with", "ms", 74, w.percentile(.999), 74),
		most("calls more", "%", 2, extra, 2.1),
	}
}

// e15 is bhope/hedge's: lognormal with a mean of 5 ms, one call in twenty ten times.
func e15() []row {
	const sigma = 0.5
	takes := func(r *rand.Rand) float64 {
		d := math.Exp(r.NormFloat64()*sigma + math.Log(5) - sigma*sigma/2)
		if r.Float64() < 0.05 {
			d *= 10
		}
		return d
	}
	none, _ := hedged(hedge.New(hedge.Options{MaxHedges: -1}), 50_000, 1, takes)
	fixed, extra := hedged(hedge.New(hedge.Options{Delay: 13 * time.Millisecond, Share: -1, MaxHedges: 2}), 50_000, 1, takes)
	return []row{
		least("p99 without hedging", "ms", 65, none.percentile(.99), 55),
		most("p99 with, after 13 ms, two at most", "ms", 17.5, fixed.percentile(.99), 20*edge),
		most("calls more", "%", 7.7, extra, 6.5*edge),
		most("p99.9 with", "ms", 61, fixed.percentile(.999), 61),
	}
}

// edge is how near a figure must be that is on the edge of its goal.
const edge = 1.05
