package loadbalance

// Stats are a node's figures at one time.
type Stats struct {
	Addr     string
	Health   string // "ready", "ejected", "probing", "unhealthy", "drained", or "unready" where the transport has no connection
	InFlight int64
	Picks    uint64 // only grows
}

// Each calls f with the figures of each node, in discovery's order, until f returns
// false.
func (p *Pool) Each(f func(s Stats) bool) {
	if p == nil {
		return
	}
	p.mu.Lock()
	list := make([]Stats, len(p.order))
	for i, n := range p.order {
		list[i] = Stats{n.addr, n.health(), n.pending.Load(), n.picks.Load()}
	}
	p.mu.Unlock()
	for _, s := range list {
		if !f(s) {
			return
		}
	}
}

// health is asked with the lock held.
func (n *Node) health() string {
	switch {
	case n.drained():
		return "drained"
	case n.state.ejected && n.state.waiting:
		return "probing"
	case n.state.ejected:
		return "ejected"
	case n.state.ill:
		return "unhealthy"
	case !n.state.ready:
		return "unready"
	}
	return "ready"
}
