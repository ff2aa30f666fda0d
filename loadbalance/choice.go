package loadbalance

import (
	"math"
	"math/rand/v2"
	"slices"
)

// A choice is the better of some nodes drawn at random.
type choice struct {
	nodes   []*Node
	weights []float64 // nil: all the same
	alias   *alias
	d       int
	load    func(n *Node, now int64) float64
}

func newChoice(nodes []*Node, d int, load func(*Node, int64) float64) *choice {
	c := &choice{nodes: nodes, d: d, load: load}
	if d == 0 {
		c.d = 2
		if len(nodes) <= 8 {
			c.d = 3
		}
	}
	if c.d < 0 || c.d > len(nodes) {
		c.d = len(nodes)
	}
	weights := make([]float64, len(nodes))
	for i, n := range nodes {
		weights[i] = n.weight()
	}
	if c.alias = newAlias(weights); c.alias != nil {
		c.weights = weights
	}
	return c
}

func (c *choice) loadOf(i int, now int64) float64 {
	load := c.load(c.nodes[i], now)
	if c.weights != nil {
		load /= c.weights[i]
	}
	return load
}

// Pick draws, and compares.
func (c *choice) Pick(info PickInfo) int {
	n := len(c.nodes)
	switch {
	case c.d >= n:
		return c.least(info.Now)
	case c.d == 2:
		a, b := c.drawTwo()
		if c.loadOf(b, info.Now) < c.loadOf(a, info.Now) {
			return b
		}
		return a
	}
	var drawn [8]int
	d := min(c.d, len(drawn))
	best, least, ties := -1, 0.0, 1
	for k := range d {
		i := c.draw()
		for tries := 0; slices.Contains(drawn[:k], i); tries++ {
			if i = rand.IntN(n); tries < 2 {
				i = c.draw()
			}
		}
		drawn[k] = i
		best, least, ties = c.better(i, info.Now, best, least, ties)
	}
	return best
}

// least compares all of them.
func (c *choice) least(now int64) int {
	best, least, ties := -1, 0.0, 1
	for i := range c.nodes {
		best, least, ties = c.better(i, now, best, least, ties)
	}
	return best
}

// better keeps the one of least load; each of several has the same chance.
func (c *choice) better(i int, now int64, best int, least float64, ties int) (int, float64, int) {
	load := c.loadOf(i, now)
	switch {
	case best < 0 || load < least:
		return i, load, 1
	case load == least:
		if ties++; rand.IntN(ties) == 0 {
			return i, least, ties
		}
	}
	return best, least, ties
}

func (c *choice) draw() int {
	if c.alias != nil {
		return c.alias.draw()
	}
	return rand.IntN(len(c.nodes))
}

// drawTwo draws two that differ, in any order, so that the first may win ties. Without
// weights each takes a half of one random number, which for ten thousand nodes is even
// to one part in 400,000.
func (c *choice) drawTwo() (a, b int) {
	r := rand.Uint64()
	if c.alias != nil {
		a = c.alias.draw()
		if b = c.drawOther(a); r&1 == 0 {
			return b, a
		}
		return a, b
	}
	n := uint64(len(c.nodes))
	a, b = int(r>>32*n>>32), int(r&math.MaxUint32*(n-1)>>32) //nolint:gosec // below n
	if b >= a {
		b++
	}
	return a, b
}

// drawOther draws one that is not a, by weight.
func (c *choice) drawOther(a int) int {
	for range 4 {
		if b := c.alias.draw(); b != a {
			return b
		}
	}
	b := rand.IntN(len(c.nodes) - 1) // a is almost all of the weight
	if b >= a {
		b++
	}
	return b
}
