package hedge

import (
	"log/slog"
	"time"
)

// An Event tells of a hedge.
type Event struct {
	Target, Method string
	Attempt        int           // the number of the attempt that is sent, or has won; 0 where it is denied
	Delay          time.Duration // since the one before
	Denied         string        // why it is not sent, for people: "budget empty", "share used up", …
	Reason         string        // the same in one word: "budget", "share", "layer" (another one repeats, or the context forbids it), "body" (it was too long to be kept)
	Won            bool          // its answer is the call's; OnHedge is not told
}

// Kind returns "hedge", "hedge_denied" or "hedge_won".
func (e Event) Kind() string {
	switch {
	case e.Won:
		return "hedge_won"
	case e.Denied != "":
		return "hedge_denied"
	}
	return "hedge"
}

// Level returns slog.LevelDebug: hedges are meant to be sent.
func (e Event) Level() slog.Level { return slog.LevelDebug }

// LogValue tells which attempt is sent, or why none is.
func (e Event) LogValue() slog.Value {
	attrs := []slog.Attr{slog.String("target", e.Target), slog.String("method", e.Method), slog.Duration("delay", e.Delay)}
	if e.Denied != "" {
		return slog.GroupValue(append(attrs, slog.String("reason", e.Reason), slog.String("detail", e.Denied))...)
	}
	return slog.GroupValue(append(attrs, slog.Int("attempt", e.Attempt))...)
}
