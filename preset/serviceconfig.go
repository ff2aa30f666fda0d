package preset

import (
	"time"

	"github.com/holdfast-go/holdfast/timeout"
)

// A ServiceConfig is what a gRPC service config says of calls
// (grpc/service_config/service_config.proto, gRFC A6): for gRPC and for HTTP alike.
// ParseServiceConfig reads one; nil says nothing. What else it says, of balancing, health checks and the
// sizes of messages, is gRPC's own affair.
type ServiceConfig struct {
	methods    []methodConfig
	throttling *throttling // nil: none
}

// A methodConfig is what holds for some methods. A nil field says nothing.
type methodConfig struct {
	names        []methodName
	waitForReady *bool
	timeout      *time.Duration // of the whole call
	retry        *retryPolicy
	hedging      *hedgingPolicy // not beside a retry
}

// A methodName is a method of a service, or with an empty method all others of the
// service, or with both empty all others. The service of an HTTP call is its
// Target ("users.internal:443"), and its method the HTTP method ("GET").
type methodName struct{ service, method string }

// A retryPolicy is gRPC's retryPolicy.
type retryPolicy struct {
	maxAttempts    int // 2 at least; gRPC itself makes 5 at most, and we as many as it says
	initialBackoff time.Duration
	maxBackoff     time.Duration
	multiplier     float64
	perAttempt     time.Duration // perAttemptRecvTimeout; 0: none
	codes          []string      // "UNAVAILABLE"
}

// A hedgingPolicy is gRPC's hedgingPolicy.
type hedgingPolicy struct {
	maxAttempts int // 2 at least
	delay       time.Duration
}

// A throttling is gRPC's retryThrottling: a bucket of tokens, of which a failure
// takes one and a success adds ratio; there are repeats while it is more than half
// full.
type throttling struct {
	maxTokens float64
	ratio     float64
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

func (s *ServiceConfig) config(base Config, m *methodConfig) Config {
	c := base
	if s == nil {
		return c
	}
	if t := s.throttling; t != nil {
		c.Budget.Ratio, c.Budget.Min = min(t.ratio, 1), max(int(t.maxTokens/2), 1)
	}
	if m == nil {
		return c
	}
	switch {
	case m.retry != nil:
		m.retry.apply(&c)
	case m.hedging != nil:
		h := m.hedging
		c.Retry.MaxAttempts = -1
		c.Hedge.MaxHedges, c.Hedge.Delay, c.Hedge.MinDelay, c.Hedge.Share = h.maxAttempts-1, max(h.delay, 1), -1, -1
	}
	if m.timeout != nil {
		c.Timeout.Limit = max(*m.timeout, 1)
		if timeout.New(c.Attempt).Options().Limit > c.Timeout.Limit {
			c.Attempt.Limit = c.Timeout.Limit
		}
	}
	return c
}

func (r *retryPolicy) apply(c *Config) {
	c.Hedge.MaxHedges = -1
	c.Retry.MaxAttempts, c.Retry.InitialInterval, c.Retry.MaxInterval = r.maxAttempts, min(r.initialBackoff, r.maxBackoff), r.maxBackoff
	c.Retry.Backoff = r.schedule
	c.Retry.Codes = spread(r.codes)
	if r.perAttempt > 0 {
		c.Attempt.Limit = r.perAttempt
	}
}

// WaitForReady returns what s says of waiting for a connection, for
// grpc.WaitForReady or a Wrapper's field of the same name.
func (s *ServiceConfig) WaitForReady(fullMethod string) (wait, said bool) {
	m := s.find(split("", fullMethod))
	if m == nil || m.waitForReady == nil {
		return false, false
	}
	return *m.waitForReady, true
}

// find returns what holds for a method: its own, else its service's, else that of
// all; nil: nothing.
func (s *ServiceConfig) find(service, method string) (found *methodConfig) {
	if s == nil {
		return nil
	}
	best := 0
	for i := range s.methods {
		for _, n := range s.methods[i].names {
			fit := 0
			switch n {
			case methodName{service, method}:
				fit = 3
			case methodName{service, ""}:
				fit = 2
			case methodName{}:
				fit = 1
			}
			if fit > best {
				best, found = fit, &s.methods[i]
			}
		}
	}
	return found
}
