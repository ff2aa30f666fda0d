package main

import (
	"context"
	"fmt"
	"math"
	"strconv"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/discovery"
	"github.com/holdfast-go/holdfast/loadbalance"
)

func text(server int) string { return strconv.Itoa(server) }

func number(addr string) int {
	n, err := strconv.Atoi(addr)
	if err != nil {
		panic(err) // these addresses are ours
	}
	return n
}

func poolOf(strategy loadbalance.Strategy, without, n int) *loadbalance.Pool {
	p := loadbalance.NewPool(strategy, loadbalance.Options{Eject: loadbalance.EjectOptions{BaseDuration: -1}})
	var endpoints []discovery.Endpoint
	for i := range n {
		if i != without {
			endpoints = append(endpoints, discovery.Endpoint{Addr: fmt.Sprintf("10.0.0.%d:80", i)})
		}
	}
	p.Update(endpoints)
	return p
}

// e18 counts the keys that move, as the mean over all servers that may go.
func e18() []row {
	const n, keys = 20, 20_000
	where := func(strategy loadbalance.Strategy, without int) []string {
		p := poolOf(strategy, without, n)
		defer p.Close()
		list := make([]string, keys)
		for i := range list {
			picked, _ := p.Pick(loadbalance.PickInfo{Ctx: loadbalance.WithKey(context.Background(), fmt.Sprint("key ", i))})
			list[i] = picked.Node.Addr()
			picked.Done(holdfast.Success)
		}
		return list
	}
	moved := func(strategy loadbalance.Strategy) float64 {
		before, sum := where(strategy, -1), 0
		for gone := range n {
			for i, addr := range where(strategy, gone) {
				if addr != before[i] {
					sum++
				}
			}
		}
		return float64(sum) / keys // times 1/n of the keys
	}
	return []row{
		most("ring hash: keys moved, times 1/n of them", "x", 1, moved(loadbalance.RingHash), 1.1),
		most("maglev: keys moved, times 1/n of them", "x", 2, moved(loadbalance.Maglev), 2.2),
		near("rendezvous: keys moved, times 1/n of them", "x", 1, moved(loadbalance.Rendezvous), 1e-9),
	}
}

// e19 sends all calls by three hot keys: no server has more than its bound.
func e19() []row {
	const n, c = 10, 1.25
	p := poolOf(loadbalance.NewRingHash(c), -1, n)
	defer p.Close()
	worst := 0.0
	for i := range 2000 {
		picked, _ := p.Pick(loadbalance.PickInfo{Ctx: loadbalance.WithKey(context.Background(), fmt.Sprint("hot ", i%3))})
		if bound := math.Ceil(c * float64(i+1) / n); bound >= 4 { // below that affinity goes first
			worst = max(worst, float64(picked.Node.InFlight())/bound)
		}
	}
	return []row{most("calls under way beside ceil(1.25 x the mean), the worst", "x", 1, worst, 1)}
}
