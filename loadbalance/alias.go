package loadbalance

import (
	"math/rand/v2"
)

// An alias table draws an index by weights in constant time (A. J. Walker, 1977, in
// the form of M. D. Vose, 1991).
type alias struct {
	part  []float64
	other []int32
}

// newAlias returns nil where all weights are the same.
func newAlias(weights []float64) *alias {
	sum, even := 0.0, true
	for _, w := range weights {
		sum += w
		even = even && w == weights[0]
	}
	if even {
		return nil
	}
	n := len(weights)
	a := &alias{make([]float64, n), make([]int32, n)}
	var small, large []int
	for i, w := range weights {
		a.part[i] = w * float64(n) / sum
		if a.part[i] < 1 {
			small = append(small, i)
		} else {
			large = append(large, i)
		}
	}
	for len(small) > 0 && len(large) > 0 {
		s, l := small[len(small)-1], large[len(large)-1]
		small = small[:len(small)-1]
		a.other[s] = int32(l)
		if a.part[l] -= 1 - a.part[s]; a.part[l] < 1 {
			large = large[:len(large)-1]
			small = append(small, l)
		}
	}
	for _, i := range append(small, large...) {
		a.part[i], a.other[i] = 1, int32(i)
	}
	return a
}

func (a *alias) draw() int {
	i := rand.IntN(len(a.part))
	if a.part[i] < 1 && rand.Float64() >= a.part[i] {
		return int(a.other[i])
	}
	return i
}
