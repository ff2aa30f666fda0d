package preset

import (
	"time"
)

// A ServiceConfig is what a gRPC service config says of calls
// (grpc/service_config/service_config.proto, gRFC A6): for gRPC and for HTTP alike.
// What else it says, of balancing and health checks, is kept as it came.
type ServiceConfig struct {
	Methods    []MethodConfig
	Throttling *Throttling // nil: none
	others     map[string]any
}

// A MethodConfig is what holds for some methods. A nil field says nothing.
type MethodConfig struct {
	Names            []MethodName
	WaitForReady     *bool
	Timeout          *time.Duration // of the whole call
	MaxRequestBytes  *int
	MaxResponseBytes *int
	Retry            *RetryPolicy
	Hedging          *HedgingPolicy // not beside a Retry
}

// A MethodName is a method of a service, or with an empty Method all others of the
// service, or with both empty all others. The service of an HTTP call is its
// Target ("users.internal:443"), and its method the HTTP method ("GET").
type MethodName struct{ Service, Method string }

// A RetryPolicy is gRPC's retryPolicy.
type RetryPolicy struct {
	MaxAttempts    int // 2 at least; gRPC itself makes 5 at most, and we as many as it says
	InitialBackoff time.Duration
	MaxBackoff     time.Duration
	Multiplier     float64
	PerAttempt     time.Duration // perAttemptRecvTimeout; 0: none
	Codes          []string      // "UNAVAILABLE"
}

// A HedgingPolicy is gRPC's hedgingPolicy.
type HedgingPolicy struct {
	MaxAttempts int // 2 at least
	Delay       time.Duration
	NonFatal    []string // codes after which other attempts go on; ours always do
}

// A Throttling is gRPC's retryThrottling: a bucket of tokens, of which a failure
// takes one and a success adds Ratio; there are repeats while it is more than half
// full.
type Throttling struct {
	MaxTokens float64
	Ratio     float64
}

// Config returns base with what s says of a method in its place. What s does not
// say stays as it is in base.
//
// A retryPolicy becomes Retry with gRPC's own schedule and Codes (each with the
// HTTP statuses and errors that it stands for), a hedgingPolicy Hedge without a
// Share, retryThrottling the Budget: Min is half of MaxTokens.
func (s *ServiceConfig) Config(base Config, service, method string) Config {
	return s.config(base, s.find(service, method))
}

func (s *ServiceConfig) config(base Config, m *MethodConfig) Config {
	c := base
	if t := s.Throttling; t != nil {
		c.Budget.Ratio, c.Budget.Min = min(t.Ratio, 1), max(int(t.MaxTokens/2), 1)
	}
	if m == nil {
		return c
	}
	switch {
	case m.Retry != nil:
		m.Retry.apply(&c)
	case m.Hedging != nil:
		h := m.Hedging
		c.Retry.Attempts = -1
		c.Hedge.Extra, c.Hedge.Delay, c.Hedge.MinDelay, c.Hedge.Share = h.MaxAttempts-1, max(h.Delay, 1), -1, -1
	}
	if m.Timeout != nil {
		c.Timeout.Limit = max(*m.Timeout, 1)
		if c.Attempt.Limit > c.Timeout.Limit {
			c.Attempt.Limit = c.Timeout.Limit
		}
	}
	return c
}

func (r *RetryPolicy) apply(c *Config) {
	c.Hedge.Extra = -1
	c.Retry.Attempts, c.Retry.Base, c.Retry.Cap = r.MaxAttempts, min(r.InitialBackoff, r.MaxBackoff), r.MaxBackoff
	c.Retry.Backoff = r.schedule
	c.Retry.Codes = spread(r.Codes)
	if r.PerAttempt > 0 {
		c.Attempt.Limit = r.PerAttempt
	}
}

// WaitForReady returns what s says of waiting for a connection, for
// grpc.WaitForReady or a Wrapper's field of the same name.
func (s *ServiceConfig) WaitForReady(fullMethod string) (wait, said bool) {
	m := s.find(split("", fullMethod))
	if m == nil || m.WaitForReady == nil {
		return false, false
	}
	return *m.WaitForReady, true
}

// find returns what holds for a method: its own, else its service's, else that of
// all; nil: nothing.
func (s *ServiceConfig) find(service, method string) (found *MethodConfig) {
	best := 0
	for i := range s.Methods {
		for _, n := range s.Methods[i].Names {
			fit := 0
			switch n {
			case MethodName{service, method}:
				fit = 3
			case MethodName{service, ""}:
				fit = 2
			case MethodName{}:
				fit = 1
			}
			if fit > best {
				best, found = fit, &s.Methods[i]
			}
		}
	}
	return found
}

// MethodConfigOf writes what a service config can say of c: the way back from
// Config. What it cannot say is left out: adaptive limits, breakers, budgets,
// quantiles; a hedge without a fixed Delay; codes that gRPC has no name for.
func MethodConfigOf(c Config, names ...MethodName) MethodConfig {
	m := MethodConfig{Names: names}
	if c.Timeout.Limit > 0 {
		limit := c.Timeout.Limit
		m.Timeout = &limit
	}
	e := build(c, nil).effective()
	switch {
	case c.Retry.Attempts > 1:
		m.Retry = &RetryPolicy{
			MaxAttempts: c.Retry.Attempts, InitialBackoff: max(e.Retry.Base, time.Millisecond), MaxBackoff: e.Retry.Cap,
			Multiplier: 2, PerAttempt: max(c.Attempt.Limit, 0), Codes: gather(c.Retry.Codes),
		}
		if p := policyOf(c.Retry.Backoff); p != nil {
			m.Retry.Multiplier, m.Retry.InitialBackoff = p.Multiplier, p.InitialBackoff
		}
	case c.Hedge.Extra > 0 && c.Hedge.Delay > 0:
		m.Hedging = &HedgingPolicy{MaxAttempts: c.Hedge.Extra + 1, Delay: c.Hedge.Delay}
	}
	return m
}
