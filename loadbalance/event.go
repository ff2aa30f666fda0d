package loadbalance

import (
	"log/slog"
	"time"

	"github.com/holdfast-go/holdfast"
)

// became notes what has become of a node: a warning where it is taken out, or would be. The
// lock is held.
func (p *Pool) became(n *Node, to, reason, detail string, wait time.Duration, err error) {
	level := slog.LevelInfo
	switch to {
	case "ejected", "spared", "unhealthy":
		level = slog.LevelWarn
	}
	p.note(holdfast.Event{
		Kind: "endpoint", Level: level, Policy: "balance", Endpoint: n.addr, To: to, Reason: reason, Detail: detail, Wait: wait.Round(time.Millisecond), Err: err,
	})
}
