package hedge

import (
	"context"
	"time"

	"github.com/holdfast-go/holdfast"
)

// Options set up a Hedge. The zero value is the default of every field; a
// negative value switches off what the field is for.
type Options struct {
	// Extra is how many attempts are sent beside the first at most: 0 means 1;
	// negative: none. At most 10.
	Extra int
	// Delay before each of them, counted from the one before: 0 means the
	// Quantile of what calls to the target took lately; above zero, a fixed one;
	// negative: none but MinDelay.
	Delay time.Duration
	// Quantile of the recent times: 0 or negative means 0.95; at most 0.9999.
	Quantile float64
	// Samples is how many times must be known for a Quantile: 0 means 100;
	// negative: 1. With fewer nothing is hedged.
	Samples int
	// Window is how far back times are looked at: 0 or negative means 1 min.
	Window time.Duration
	// MinDelay bounds the delay from below: 0 means 1 ms; negative: none.
	MinDelay time.Duration
	// Share of the calls to a target that may be hedged, over any 10 s: 0 means
	// 0.05; negative: no bound but the Budget. At most 1.
	Share float64
	// MinAttempt is the time that must be left before the deadline for a hedge to
	// be sent: 0 means 5 ms; negative: none.
	MinAttempt time.Duration
	// Budget is asked before each hedge; nil: there is none. Share the retries'.
	Budget Budget
	// Targets is how many targets have times of their own: 0 or negative means 1024.
	Targets int
	// OnHedge is called before each hedge is sent or when it is denied.
	OnHedge func(ctx context.Context, e Event)
}

// A Budget grants extra attempts; *retry.Budget is one.
type Budget interface {
	Withdraw(target string) bool // asks for one
	Refund(target string)        // gives back what was not used
}

// An Event tells of a hedge.
type Event struct {
	Target, Method string
	Attempt        int           // the number of the attempt that is sent
	Delay          time.Duration // since the one before
	Denied         string        // why it is not sent; empty: it is
}

// A Hedge is a Policy.
type Hedge struct{ o Options }

// New makes a Hedge.
func New(o Options) *Hedge { return &Hedge{o} }

// With returns a Hedge with other options and the recent times of h, which both
// share from then on.
func (h *Hedge) With(o Options) *Hedge { return &Hedge{o} }

// Options returns the options in force, with the defaults filled in.
func (h *Hedge) Options() Options { return h.o }

// Wrap is a shape yet.
func (h *Hedge) Wrap(next holdfast.Handler) holdfast.Handler {
	return func(ctx context.Context, call *holdfast.Call) holdfast.Result { return next(ctx, call) }
}
