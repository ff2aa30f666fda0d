package main

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/discovery"
	"github.com/holdfast-go/holdfast/loadbalance"
)

// A pick is measured with its release, at 100 nodes, and how it grows from 10 to
// 10,000. The floors are written by hand over a slice of counters.

func nodesOf(n int, weighted bool) (list []discovery.Endpoint) {
	for i := range n {
		e := discovery.Endpoint{Addr: fmt.Sprintf("10.%d.%d.%d:80", i>>16, i>>8&255, i&255)}
		if weighted {
			e.Weight = 1 + i%7
		}
		list = append(list, e)
	}
	return list
}

func picks(strategy loadbalance.Strategy, n int, weighted bool) func() {
	p := loadbalance.NewPool(strategy, loadbalance.Options{})
	p.Update(nodesOf(n, weighted))
	good := holdfast.Result{Class: holdfast.Success}
	return func() {
		picked, ok := p.Pick(loadbalance.PickInfo{})
		if !ok {
			panic("no node")
		}
		picked.Answered(good)
		picked.Done(holdfast.Success)
	}
}

func floorTurn(n int) func() {
	var turn atomic.Uint64
	counts := make([]atomic.Int64, n)
	return func() {
		i := turn.Add(1) % uint64(n)
		counts[i].Add(1)
		counts[i].Add(-1)
	}
}

func floorChoice(n int) func() {
	counts := make([]atomic.Int64, n)
	return func() {
		a, b := rand.IntN(n), rand.IntN(n-1)
		if b >= a {
			b++
		}
		if counts[b].Load() < counts[a].Load() {
			a = b
		}
		counts[a].Add(1)
		counts[a].Add(-1)
	}
}

// floorEWMA is floorChoice by a moving average under a lock, with the two looks at
// the clock that it takes.
func floorEWMA(n int) func() {
	type node struct {
		mu      sync.Mutex
		pending atomic.Int64
		cost    float64
		at      time.Time
	}
	nodes := make([]node, n)
	load := func(i int, now time.Time) float64 {
		x := &nodes[i]
		x.mu.Lock()
		defer x.mu.Unlock()
		return x.cost * math.Exp(-float64(now.Sub(x.at))/10e9) * float64(x.pending.Load()+1)
	}
	return func() {
		a, b := rand.IntN(n), rand.IntN(n-1)
		if b >= a {
			b++
		}
		now := time.Now()
		if load(b, now) < load(a, now) {
			a = b
		}
		x := &nodes[a]
		x.pending.Add(1)
		took := time.Since(now)
		x.mu.Lock()
		w := math.Exp(-float64(took) / 10e9)
		x.cost, x.at = x.cost*w+float64(took)*(1-w), now
		x.mu.Unlock()
		x.pending.Add(-1)
	}
}

func pickRows() []row {
	const group = "A pick with its release, and what the answer teaches"
	one := func(name string, strategy loadbalance.Strategy, weighted bool, floor func(n int) func(), times float64) row {
		return row{group, name, func() []subject {
			subjects := []subject{{"holdfast", picks(strategy, 100, weighted)}}
			if floor != nil {
				subjects = append([]subject{{"floor", floor(100)}}, subjects...)
			}
			for _, n := range []int{10, 1000, 10_000} {
				subjects = append(subjects, subject{fmt.Sprintf("of %d nodes", n), picks(strategy, n, weighted)})
			}
			return subjects
		}, goal{times, "floor", -1, 0}, false}
	}
	update := row{"An update of 1 % of the nodes", "", func() []subject {
		var subjects []subject
		for _, n := range []int{100, 1000, 10_000} {
			p := loadbalance.NewPool(loadbalance.PeakEWMA, loadbalance.Options{})
			list := nodesOf(n, false)
			turn := 0
			subjects = append(subjects, subject{fmt.Sprintf("of %d nodes", n), func() {
				turn++
				for i := range max(n/100, 1) {
					list[(turn*7+i)%n].Addr = fmt.Sprintf("11.%d.%d.%d:80", turn&255, i>>8, i&255)
				}
				p.Update(list)
			}})
		}
		return subjects
	}, goal{}, false}
	return []row{
		one("round robin", loadbalance.RoundRobin, false, floorTurn, 1.5),
		one("least request of two", loadbalance.NewLeastRequest(2), false, floorChoice, 2),
		one("peak EWMA of two", loadbalance.NewPeakEWMA(2), false, floorEWMA, 1.3),
		one("weighted round robin", loadbalance.WeightedRoundRobin, true, nil, 0),
		one("least request, weighted", loadbalance.NewLeastRequest(2), true, nil, 0),
		one("ring hash", loadbalance.RingHash, false, nil, 0),
		one("maglev", loadbalance.Maglev, false, nil, 0),
		update,
	}
}

// memory is what a Pool keeps for each of 10,000 endpoints, in bytes.
func memory() int {
	const n = 10_000
	list := nodesOf(n, false)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	p := loadbalance.NewPool(loadbalance.PeakEWMA, loadbalance.Options{})
	p.Update(list)
	runtime.GC()
	runtime.ReadMemStats(&after)
	runtime.KeepAlive(p)
	p.Close()
	return int(after.HeapAlloc-before.HeapAlloc) / n
}
