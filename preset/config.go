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
// are written "250ms", or "off"; Routes say for which calls something else holds. Functions, interfaces and policies have no JSON.
type Config struct { //nolint:recvcheck // encoding/json asks for one receiver of each kind
	Outer   []holdfast.Policy     // outside all others: observing
	Limit   limit.InFlightOptions // calls under way
	Timeout timeout.Options       // the whole call
	Retry   retry.Options         // its Budget, where it is set, is used in the place of the next field
	Budget  retry.BudgetOptions   // of repeats and hedges together
	Hedge   hedge.Options
	Breaker breaker.Options   // its ProbeTimeout is the Attempt's Limit where it is not set
	Rate    limit.RateOptions // attempts in a second
	Inner   []holdfast.Policy // around each attempt: balancing, observing
	Attempt timeout.Options   // each attempt

	Routes []Route // calls for which something else holds

	base string            // the preset it was made of; empty: none
	read map[string]string // what was read from JSON, by path; never changed once it is there
}

// table has the policies that are made of a Config, the outermost first; Inner stands outside
// the last one. A policy more is a field above and a row here.
var table = [...]row{
	of[*limit.InFlight](alike, func(c *Config) *limit.InFlightOptions { return &c.Limit }),
	of[*timeout.Timeout](apart, func(c *Config) *timeout.Options { return &c.Timeout }),
	{makeRetry, readRetry, apart}, // but for the budget
	of[*hedge.Hedge](apart, func(c *Config) *hedge.Options { return &c.Hedge }),
	of[*breaker.Breaker](together, func(c *Config) *breaker.Options { return &c.Breaker }),
	of[*limit.Rate](alike, func(c *Config) *limit.RateOptions { return &c.Rate }),
	of[*timeout.Timeout](apart, func(c *Config) *timeout.Options { return &c.Attempt }),
}

// Standard is for the calls of a service that people wait for: three attempts
// within 30 s, 10 s each, one call in five repeated at most, a breaker, a
// thousand calls under way. Hedging is off: Hedge.MaxHedges = 1 switches it on.
func Standard() Config {
	return Config{
		base:    "standard",
		Limit:   limit.InFlightOptions{Max: 1000},
		Timeout: timeout.Options{Limit: 30 * time.Second},
		Retry:   retry.Options{MaxAttempts: 3, InitialInterval: 50 * time.Millisecond, OverloadInterval: time.Second, MaxInterval: 20 * time.Second},
		Budget:  retry.BudgetOptions{Ratio: 0.2, Min: 5, Window: 10 * time.Second},
		Hedge:   hedge.Options{MaxHedges: -1},
		Breaker: breaker.Options{FailureRatio: 0.7, Window: 10 * time.Second, MinSamples: 20, ConsecutiveFailures: 5, ConsecutiveFailuresUnderLoad: 50},
		Attempt: timeout.Options{Limit: 10 * time.Second},
	}
}

// Conservative is Standard for a client that must add next to nothing to the load
// of its servers: two attempts, one call in ten repeated at most, and a breaker
// that only tells what it would do.
func Conservative() Config {
	c := Standard()
	c.base = "conservative"
	c.Retry.MaxAttempts = 2
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
	c.Retry.MaxAttempts, c.Retry.InitialInterval, c.Retry.MaxInterval = 5, 100*time.Millisecond, 10*time.Second
	return c
}
