package retry

import (
	"log/slog"
	"time"

	"github.com/holdfast-go/holdfast"
)

// An Event tells of an attempt that did not succeed, and what follows.
type Event struct {
	Target, Method string
	Attempt        int // the number of the attempt that did not succeed, from 1
	Class          holdfast.Class
	Code           holdfast.Code
	Err            error         // nil when the attempt was answered
	Wait           time.Duration // until the next attempt; for OnRetry
	Reason         string        // why there is none, for people; for OnStop
	// Stop is the same in one word, for metrics: "told" (not to repeat, by the server),
	// "caution" (the transport's: a 500 may be a bug), "body" (it was too long to be
	// kept), "not_repeatable", "attempts" (all made), "budget", "deadline", "after" (the
	// server asks for too long), "schedule", "layer" (another one repeats, or the context
	// forbids it), "ended" (the call's context), "code" (not one of Codes), "class" (its
	// Class allows no repeat), or the Code of what we rejected or could not send
	// ourselves: "circuit_open", "limited", "no_endpoint", "cancelled", …
	Stop string
}

func event(call *holdfast.Call, res holdfast.Result) Event {
	return Event{Target: call.Target, Method: call.Method, Attempt: call.Attempt, Class: res.Class, Code: res.Code, Err: res.Err}
}

// Kind returns "retry", or "retry_stopped" where nothing follows.
func (e Event) Kind() string {
	if e.Stop != "" {
		return "retry_stopped"
	}
	return "retry"
}

// Level returns slog.LevelInfo for a repeat, and for none slog.LevelWarn when it
// was the budget or the attempts that ran out, else slog.LevelDebug: the caller has
// the error.
func (e Event) Level() slog.Level {
	switch e.Stop {
	case "":
		return slog.LevelInfo
	case "budget", "attempts":
		return slog.LevelWarn
	}
	return slog.LevelDebug
}

// LogValue tells which attempt came to what, and what follows. The error is left out:
// its text may hold a URL.
func (e Event) LogValue() slog.Value {
	attrs := []slog.Attr{
		slog.String("target", e.Target), slog.String("method", e.Method), slog.Int("attempt", e.Attempt),
		slog.String("class", e.Class.String()), slog.String("code", string(e.Code)),
	}
	if e.Stop == "" {
		return slog.GroupValue(append(attrs, slog.Duration("wait", e.Wait))...)
	}
	return slog.GroupValue(append(attrs, slog.String("reason", e.Stop), slog.String("detail", e.Reason))...)
}
