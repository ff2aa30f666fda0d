package preset

import (
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/breaker"
	"github.com/holdfast-go/holdfast/hedge"
	"github.com/holdfast-go/holdfast/limit"
	"github.com/holdfast-go/holdfast/retry"
	"github.com/holdfast-go/holdfast/timeout"
)

// A Config is the options of the policies, in the order in which they stand, the
// outermost first. Zero values are the defaults of each, negative ones switch off.
// In JSON the names are those of the fields, in lower camel case, and durations
// are written "250ms", or "off". Functions, interfaces and policies have no JSON.
type Config struct { //nolint:recvcheck // encoding/json asks for one receiver of each kind
	Outer   []holdfast.Policy     // outside all others: observing
	Limit   limit.InFlightOptions // calls under way
	Timeout timeout.Options       // the whole call
	Retry   retry.Options         // its Budget, where it is set, is used in the place of the next field
	Budget  retry.BudgetOptions   // of repeats and hedges together
	Hedge   hedge.Options
	Breaker breaker.Options   // its ProbeLimit is the Attempt's Limit where it is not set
	Rate    limit.RateOptions // attempts in a second
	Inner   []holdfast.Policy // around each attempt: balancing, observing
	Attempt timeout.Options   // each attempt

	base string            // the preset it was made of; empty: none
	read map[string]string // what was read from JSON, by path; never changed once it is there
}

// Standard is for the calls of a service that people wait for: three attempts
// within 30 s, 10 s each, one call in five repeated at most, a breaker, a
// thousand calls under way. Hedging is off: Hedge.Extra = 1 switches it on.
func Standard() Config {
	return Config{
		base:    "standard",
		Limit:   limit.InFlightOptions{Max: 1000},
		Timeout: timeout.Options{Limit: 30 * time.Second},
		Retry:   retry.Options{Attempts: 3, Base: 50 * time.Millisecond, OverloadBase: time.Second, Cap: 20 * time.Second},
		Budget:  retry.BudgetOptions{Ratio: 0.2, Min: 5, Window: 10 * time.Second},
		Hedge:   hedge.Options{Extra: -1},
		Breaker: breaker.Options{Ratio: 0.7, Window: 10 * time.Second, Samples: 20, Row: 5, LongRow: 50},
		Attempt: timeout.Options{Limit: 10 * time.Second},
	}
}

// Conservative is Standard for a client that must add next to nothing to the load
// of its servers: two attempts, one call in ten repeated at most, and a breaker
// that only tells what it would do.
func Conservative() Config {
	c := Standard()
	c.base = "conservative"
	c.Retry.Attempts = 2
	c.Budget.Ratio, c.Budget.Min = 0.1, 3
	c.Breaker.ObserveOnly = true
	return c
}

// Background is for work that nobody waits for: five attempts within 2 min, 10 s
// apart at most.
func Background() Config {
	c := Standard()
	c.base = "background"
	c.Timeout.Limit = 2 * time.Minute
	c.Retry.Attempts, c.Retry.Base, c.Retry.Cap = 5, 100*time.Millisecond, 10*time.Second
	return c
}

// Policies makes the policies of c, the outermost first. Every value means
// something, so it cannot fail; Validate says which make no sense. Make them once
// and keep them: what they remember is theirs.
func (c Config) Policies() []holdfast.Policy { return build(c, nil).list() }

// parts are the policies made of a Config.
type parts struct {
	config  Config
	limit   *limit.InFlight
	timeout *timeout.Timeout
	retry   *retry.Retry
	hedge   *hedge.Hedge
	breaker *breaker.Breaker
	rate    *limit.Rate
	attempt *timeout.Timeout
}

// build makes the policies of c, with the state of those before, which may be nil.
func build(c Config, before *parts) *parts {
	p := &parts{config: c}
	if before == nil {
		before = new(parts) // a nil policy's With is its New
	}
	if c.Breaker.ProbeLimit == 0 && c.Attempt.Limit > 0 {
		c.Breaker.ProbeLimit = c.Attempt.Limit
	}
	switch {
	case c.Retry.Budget != nil:
	case before.retry != nil && before.config.Retry.Budget == nil:
		c.Retry.Budget = before.retry.Budget().With(c.Budget)
	default:
		c.Retry.Budget = retry.NewBudget(c.Budget)
	}
	if c.Hedge.Budget == nil {
		c.Hedge.Budget = c.Retry.Budget
	}
	p.limit = before.limit.With(c.Limit)
	p.timeout = before.timeout.With(c.Timeout)
	p.retry = retry.New(c.Retry)
	p.hedge = before.hedge.With(c.Hedge)
	p.breaker = before.breaker.With(c.Breaker)
	p.rate = before.rate.With(c.Rate)
	p.attempt = before.attempt.With(c.Attempt)
	return p
}

// effective returns the options in force, with the defaults filled in.
func (p *parts) effective() Config {
	c := Config{
		Limit: p.limit.Options(), Timeout: p.timeout.Options(), Retry: p.retry.Options(), Budget: p.retry.Budget().Options(),
		Hedge: p.hedge.Options(), Breaker: p.breaker.Options(), Rate: p.rate.Options(), Attempt: p.attempt.Options(),
	}
	if c.Timeout.Idle == 0 {
		c.Timeout.Idle = -1
	}
	if c.Attempt.Idle == 0 {
		c.Attempt.Idle = c.Attempt.Limit
	}
	return c
}

// list is the canonical order.
func (p *parts) list() []holdfast.Policy {
	list := append([]holdfast.Policy(nil), p.config.Outer...)
	list = append(list, p.limit, p.timeout, p.retry, p.hedge, p.breaker, p.rate)
	list = append(list, p.config.Inner...)
	return append(list, p.attempt)
}
