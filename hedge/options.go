package hedge

import (
	"context"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/option"
)

// Options set up a Hedge. The zero value is the default of every field; a
// negative value switches off what the field is for.
type Options struct {
	// MaxHedges is how many attempts are sent beside the first at most: 0 means 1;
	// negative: none. At most 10.
	MaxHedges int
	// Delay before each of them, counted from the one before: 0 means the
	// Quantile of what calls to the target took lately; above zero, a fixed one;
	// negative: MinDelay.
	Delay time.Duration
	// Quantile of the recent times: 0 and negative mean 0.95; at most 0.9999.
	Quantile float64
	// MinSamples is how many times must be known for a Quantile: 0 means 100;
	// negative: 1. With fewer nothing is hedged.
	MinSamples int
	// Window is how far back times are looked at: 0 and negative mean 1 min.
	Window time.Duration
	// MinDelay bounds the delay from below: 0 means 1 ms; negative: none.
	MinDelay time.Duration
	// Share of the calls to a target that may be hedged, over 10 s: 0 means 0.05;
	// negative: no bound but the Budget. At most 1.
	Share float64
	// MinAttempt is the time that must be left before the deadline for a hedge to
	// be sent, for each of them: 0 means 5 ms; negative: none.
	MinAttempt time.Duration
	// Budget is asked before each hedge; nil: there is none. Share the retries'.
	Budget Budget
	// MaxTargets is how many targets have times, and a Share, of their own: 0 and
	// negative mean 1024. Past it, one that no call is using makes room; further ones
	// share theirs. Metrics count them, and an event ("table_full", of holdfast.Event)
	// tells of them.
	MaxTargets int
	// OnHedge is told before each hedge is sent ("hedge", of holdfast.Event), or when
	// it is denied ("hedge_denied"). It runs beside the first attempt, on a goroutine of
	// the hedge's, with the caller's context and no lock held.
	OnHedge func(ctx context.Context, e holdfast.Event)
}

// A Budget grants extra attempts; *retry.Budget is one. It must be safe for
// concurrent use.
type Budget interface {
	Withdraw(target string) bool // asks for one
	Refund(target string)        // gives back what was granted and not sent
}

func (o Options) filled() Options {
	o.MaxHedges = min(option.Of(o.MaxHedges, 1, option.Off), 10)
	o.Quantile = min(option.Of(o.Quantile, 0.95, 0.95), 0.9999)
	o.MinSamples = option.Of(o.MinSamples, 100, 1)
	o.Window = option.Span(o.Window, time.Minute, time.Minute)
	o.MinDelay = option.Span(o.MinDelay, time.Millisecond, option.Off)
	o.Delay = option.Span(o.Delay, 0, max(o.MinDelay, 1))
	o.Share = min(option.Of(o.Share, 0.05, option.Off), 1)
	o.MinAttempt = option.Span(o.MinAttempt, 5*time.Millisecond, option.Off)
	o.MaxTargets = option.Of(o.MaxTargets, 1024, 1024)
	return o
}

// fits reports whether a hedge that is sent after d has the time that it needs at least.
func fits(ctx context.Context, d, least time.Duration) bool {
	deadline, limited := ctx.Deadline()
	if !limited {
		return true
	}
	left := time.Until(deadline) - d
	return left > 0 && left >= least
}
