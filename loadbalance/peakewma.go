package loadbalance

import (
	"time"
)

// PeakEWMA picks as LeastRequest does, by the calls under way times what calls take
// lately: a moving average that jumps to a slow call at once and comes back in some
// ten seconds (as in Finagle and linkerd2-proxy). A failure counts as a slow call. A
// node of which nothing is known is given one call, and no more until that has
// answered. It is the default.
func PeakEWMA(nodes []*Node) Picker { return NewPeakEWMA(0)(nodes) }

// NewPeakEWMA is PeakEWMA of so many choices, as NewLeastRequest has them.
func NewPeakEWMA(choices int) Strategy {
	return func(nodes []*Node) Picker {
		return newChoice(nodes, choices, byCost(nodes[0].pool.o.Decay))
	}
}

func byCost(tau time.Duration) func(n *Node, now int64) float64 {
	return func(n *Node, now int64) float64 {
		pending := float64(n.pending.Load())
		cost, seen := project(n.cost.Load(), now, tau)
		switch {
		case seen:
			return cost * (pending + 1)
		case pending == 0:
			return 0 // nobody has asked it yet
		}
		return unknown + pending
	}
}
