package loadbalance

import (
	"log/slog"
	"time"

	"github.com/holdfast-go/holdfast"
)

// became notes what has become of a node: a warning where it is taken out, or would be. The
// lock is held.
func (p *Pool) became(n *Node, to, reason, detail string, wait time.Duration) {
	level := slog.LevelInfo
	switch to {
	case "ejected", "spared", "unhealthy":
		level = slog.LevelWarn
	}
	p.note(holdfast.Event{
		Kind: "endpoint", Level: level, Policy: "balance", Endpoint: n.addr, To: to, Reason: reason, Detail: detail, Wait: wait.Round(time.Millisecond),
	})
}

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
