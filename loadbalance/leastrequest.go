package loadbalance

// LeastRequest picks, of two nodes drawn at random, the one with fewer calls under
// way; of three where there are eight nodes or less ("the power of two choices",
// M. Mitzenmacher, 1996). The nodes drawn differ, so that one which hangs gets next
// to nothing; ties are broken by chance. With weights a node is drawn as often, and
// may have as many calls, as its weight says.
func LeastRequest(nodes []*Node) Picker { return NewLeastRequest(0)(nodes) }

// NewLeastRequest is LeastRequest of so many choices: 0 means 2, or 3 where there
// are eight nodes or less; negative: all nodes, which suits some tens of them.
func NewLeastRequest(choices int) Strategy {
	return func(nodes []*Node) Picker { return &byNumber{choice: newChoice(nodes, choices, byRequests)} }
}

// A byNumber is a choice that does not go by the time.
type byNumber struct {
	untimed
	*choice
}

// byRequests is a node's load: what it would have with one call more, by weight.
func byRequests(n *Node, _ int64) float64 { return float64(n.pending.Load() + 1) }

// unknown is the load of a node whose first call is under way: worse than any that
// is known, and by the calls under way among its like.
const unknown = 1e18
