package loadbalance

import (
	"math"
	"math/rand/v2"
	"sync/atomic"
)

// WeightedRoundRobin picks the nodes in turn, each as often as its weight says, and
// evenly spread: the static stride scheduler of gRFC A58. A weight counts as ten
// times the mean at most and as a hundredth of it at least, so that no node starves
// and a pick takes few steps.
func WeightedRoundRobin(nodes []*Node) Picker {
	w := make([]float64, len(nodes))
	sum := 0.0
	for i, n := range nodes {
		w[i] = n.weight()
		sum += w[i]
	}
	mean := sum / float64(len(w))
	most := 0.0
	for i := range w {
		w[i] = max(min(w[i], 10*mean), mean/100)
		most = max(most, w[i])
	}
	s := &stride{weights: make([]uint64, len(w))}
	for i := range w {
		s.weights[i] = max(uint64(math.Round(w[i]/most*strideMost)), 1)
	}
	s.turn.Store(rand.Uint64N(uint64(len(w)) * strideMost))
	return s
}

const strideMost = 65535

type stride struct {
	untimed
	weights []uint64
	turn    atomic.Uint64
}

// Pick goes on through the rounds, in which each node is due as its weight says.
func (s *stride) Pick(PickInfo) int {
	n := uint64(len(s.weights))
	for {
		at := s.turn.Add(1)
		i, round := at%n, at/n
		w := s.weights[i]
		if (w*round+i*(strideMost/2))%strideMost >= strideMost-w {
			return int(i)
		}
	}
}
