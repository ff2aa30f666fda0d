package retry

import (
	"context"
	"slices"
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/option"
)

// Options set up a Retry. The zero value is the default of every field; a
// negative value switches off what the field is for.
type Options struct {
	// MaxAttempts is how often a call is sent at most, the first time included:
	// 0 means 3; 1 and negative mean no repeats. At most 1,000.
	MaxAttempts int

	// InitialInterval is the interval of the first repeat after a failure or a refusal:
	// 0 means 50 ms; negative: no wait but what the server asks for.
	InitialInterval time.Duration
	// OverloadInterval is the same after the server asked for less (429,
	// RESOURCE_EXHAUSTED, 503 with a hint): 0 means 1 s, or InitialInterval where that is
	// more; negative: as InitialInterval.
	OverloadInterval time.Duration
	// MaxInterval bounds the intervals: 0 means 20 s; negative: 24 h, which is also the
	// most it can be.
	MaxInterval time.Duration
	// Jitter says how a wait is drawn from its interval; Full is the default.
	Jitter Jitter
	// Backoff makes the schedule of one call, instead of InitialInterval, OverloadInterval, MaxInterval
	// and Jitter. It is called when a first repeat is due, and what it returns is
	// used by one call alone. A schedule that returns backoff.Stop, or any
	// negative wait, ends the repeats.
	Backoff func() backoff.BackOff

	// MaxRetryAfter is the longest wait that a server may ask for. A server that asks
	// for longer is not called again, and its answer is returned at once. 0 means
	// 60 s; negative: 24 h. What it asks for is a minimum: up to a tenth more is
	// waited, and a second at most, so that a fleet does not come back as one.
	MaxRetryAfter time.Duration
	// MinAttempt is the time that an attempt needs at least: no repeat is made
	// that would have less of it left before the deadline. 0 means 5 ms;
	// negative: none.
	MinAttempt time.Duration

	// Codes names the outcomes that are repeated (Result.Code: "503", "UNAVAILABLE",
	// "dial") instead of those that the transport calls a Failure or an Overload, for
	// a server that means something else by them. What was Refused is repeated all
	// the same; nothing is after a server's own no, nor what is not Repeatable. nil:
	// the transport's verdict.
	Codes []holdfast.Code

	// Budget bounds the repeats. nil means one of its own, as NewBudget makes it
	// with no options. Share one among policies, and with hedging, that call the
	// same targets.
	Budget *Budget

	// OnRetry is told before each repeat that will be made, once its wait is known
	// ("retry", of holdfast.Event); OnStop when a call that did not succeed is not
	// repeated, with the reason ("retry_stopped"). Both run on the caller's goroutine,
	// with the caller's context and no lock held. A wait that is cut short by the
	// context calls OnStop too.
	OnRetry func(ctx context.Context, e holdfast.Event)
	OnStop  func(ctx context.Context, e holdfast.Event)
}

// A Retry is a Policy that repeats calls. It is safe for concurrent use. Make one
// with New for a client and keep it: its Budget is what bounds the repeats. One
// that New has not made repeats nothing.
type Retry struct {
	attempts             int
	base, overload, cap  time.Duration
	jitter               Jitter
	backoff              func() backoff.BackOff
	maxAfter, minAttempt time.Duration
	codes                []holdfast.Code
	budget               *Budget
	onRetry, onStop      func(context.Context, holdfast.Event)
}

var _ holdfast.Characterized = (*Retry)(nil)

// New makes a Retry. Every value of every option means something; see Options.
func New(o Options) *Retry {
	r := &Retry{
		attempts: o.MaxAttempts, base: o.InitialInterval, overload: o.OverloadInterval, cap: o.MaxInterval, jitter: o.Jitter,
		backoff: o.Backoff, maxAfter: o.MaxRetryAfter, minAttempt: o.MinAttempt, budget: o.Budget,
		onRetry: o.OnRetry, onStop: o.OnStop, codes: slices.Clone(o.Codes),
	}
	r.attempts = min(option.Of(r.attempts, 3, 1), 1000)
	r.cap = option.Span(r.cap, 20*time.Second, option.Day)
	r.base = min(option.Span(r.base, 50*time.Millisecond, 0), r.cap)
	longer := max(time.Second, r.base)
	if o.InitialInterval < 0 {
		longer = 0
	}
	r.overload = min(option.Of(r.overload, longer, r.base), r.cap)
	r.maxAfter = option.Span(r.maxAfter, time.Minute, option.Day)
	r.minAttempt = option.Span(r.minAttempt, 5*time.Millisecond, 0)
	if r.budget == nil {
		r.budget = NewBudget(BudgetOptions{})
	}
	return r
}

// Options returns the options in force, with the defaults filled in.
func (r *Retry) Options() Options {
	if r == nil || r.budget == nil {
		return Options{}
	}
	return Options{
		MaxAttempts: r.attempts, InitialInterval: option.OrOff(r.base), OverloadInterval: option.OrOff(r.overload), MaxInterval: r.cap, Jitter: r.jitter, Backoff: r.backoff,
		MaxRetryAfter: r.maxAfter, MinAttempt: option.OrOff(r.minAttempt), Codes: slices.Clone(r.codes), Budget: r.budget, OnRetry: r.onRetry, OnStop: r.onStop,
	}
}

// Budget returns the Budget that r draws from, to share it or to read its figures; nil, which
// grants nothing, where New has not made r.
func (r *Retry) Budget() *Budget {
	if r == nil {
		return nil
	}
	return r.budget
}

// Traits tells that it retries, also where one attempt is all: what stands further in
// stands around an attempt.
func (r *Retry) Traits() holdfast.Traits {
	return holdfast.Traits{Name: "retry", Retries: r != nil && r.budget != nil}
}

// Wrap returns a Handler that repeats what next does. A nil Retry does nothing.
func (r *Retry) Wrap(next holdfast.Handler) holdfast.Handler {
	if r == nil {
		return next
	}
	return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
		mine := r.attempts > 1 && call.Record.Claim()
		res := next(ctx, call)
		if r.attempts == 1 { // another policy may repeat the call
			mine = !call.Record.Claimed()
		}
		if mine {
			r.pay(ctx, call, 0)
		}
		switch {
		case !mine:
			return res
		case r.succeeded(res):
			r.deposit(ctx, call, res)
			return res
		}
		l := loop{r: r, next: next, waits: waits{of: r}, res: res}
		return l.run(ctx, call)
	}
}
