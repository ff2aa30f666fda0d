package loadbalance

import (
	"log/slog"
	"time"
)

// A Change is one of a node's.
type Change struct {
	Addr   string
	What   string        // "ejected", "spared" (it would be, but too many are), "probing", "back", "ill", "well"
	Rule   string        // of an ejection, in one word: "row", "failures", "success_rate", "probe"
	Reason string        // for people
	For    time.Duration // of an ejection
}

// Kind returns "endpoint".
func (c Change) Kind() string { return "endpoint" }

// Level returns slog.LevelWarn for what takes a node out, or would, else
// slog.LevelInfo.
func (c Change) Level() slog.Level {
	switch c.What {
	case "ejected", "spared", "ill":
		return slog.LevelWarn
	}
	return slog.LevelInfo
}

// LogValue tells of which node, and why.
func (c Change) LogValue() slog.Value {
	attrs := []slog.Attr{slog.String("endpoint", c.Addr), slog.String("change", c.What)}
	if c.Rule != "" {
		attrs = append(attrs, slog.String("reason", c.Rule))
	}
	if c.Reason != "" {
		attrs = append(attrs, slog.String("detail", c.Reason))
	}
	if c.For > 0 {
		attrs = append(attrs, slog.Duration("for", c.For.Round(time.Millisecond)))
	}
	return slog.GroupValue(attrs...)
}

// A Discovery tells what a Set's Resolver has said.
type Discovery struct {
	Resolver       string
	Endpoints      int           // that are known now
	Added, Removed int           // since the last answer
	Err            error         // the set is as it was; nil: it is the new one
	Stale          time.Duration // for how long there were only errors, or answers without endpoints
}

// Kind returns "discovery".
func (d Discovery) Kind() string { return "discovery" }

// Level returns slog.LevelWarn for an error, else slog.LevelInfo.
func (d Discovery) Level() slog.Level {
	if d.Err != nil {
		return slog.LevelWarn
	}
	return slog.LevelInfo
}

// LogValue tells what is known, and what has become of it.
func (d Discovery) LogValue() slog.Value {
	attrs := []slog.Attr{slog.String("target", d.Resolver), slog.Int("endpoints", d.Endpoints)}
	if d.Err != nil {
		return slog.GroupValue(append(attrs, slog.String("detail", d.Err.Error()), slog.Duration("stale", d.Stale.Round(time.Second)))...)
	}
	return slog.GroupValue(append(attrs, slog.Int("added", d.Added), slog.Int("removed", d.Removed))...)
}

// Stats are a node's figures at one time.
type Stats struct {
	Addr     string
	Health   string // "ready", "ejected", "probing", "ill", "drained", or "unready" where the transport has no connection
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
		return "ill"
	case !n.state.ready:
		return "unready"
	}
	return "ready"
}
