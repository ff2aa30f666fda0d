package loadbalance

import (
	"math/rand/v2"
	"sync/atomic"
)

// RoundRobin picks the nodes in turn, from a random one on, so that not all clients
// begin with the same.
func RoundRobin(nodes []*Node) Picker {
	r := &roundRobin{n: uint64(len(nodes))}
	r.turn.Store(rand.Uint64N(r.n))
	return r
}

type roundRobin struct {
	untimed
	n    uint64
	turn atomic.Uint64
}

// Pick returns the next one.
func (r *roundRobin) Pick(PickInfo) int { return int(r.turn.Add(1) % r.n) }

// Random picks any node.
func Random(nodes []*Node) Picker { return &random{n: len(nodes)} }

type random struct {
	untimed
	n int
}

// Pick draws.
func (r *random) Pick(PickInfo) int { return rand.IntN(r.n) }
