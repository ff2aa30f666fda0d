package preset

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/holdfast-go/holdfast"
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

var (
	hosts = regexp.MustCompile(`^[-0-9A-Za-z._:\[\]]+$`)
	verbs = regexp.MustCompile("^[-0-9A-Za-z!#$&'*+.^_`|~]+$")
)

// patterns are those of routes for the calls of that name, of gRPC and of HTTP.
func (n methodName) patterns() (list []string) {
	if n.service == "" {
		return []string{"/"}
	}
	words := strings.Split(n.service, "/")
	for i, word := range words {
		words[i] = url.PathEscape(word)
	}
	list = append(list, "/"+strings.Join(words, "/")+"/"+url.PathEscape(n.method))
	switch {
	case !hosts.MatchString(n.service): // no host is called so
	case n.method == "":
		list = append(list, n.service+"/")
	case verbs.MatchString(n.method):
		list = append(list, n.method+" "+n.service+"/")
	}
	return list
}

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

// Over returns base with what s says: its throttling, and a route for each methodConfig,
// beside those of base. The names of gRPC's methods become the patterns "/users.v1.Users/Get" and
// "/users.v1.Users/", and those of HTTP's, whose service is the Target, "GET users.internal:443/".
//
// A retryPolicy becomes Retry with gRPC's own schedule and Codes (each with the
// HTTP statuses and errors that it stands for), a hedgingPolicy Hedge without a
// Share, retryThrottling the Budget: Min is half of MaxTokens.
func (s *ServiceConfig) Over(base Config) Config {
	c := base.copied()
	if s == nil {
		return c
	}
	s.throttle(&c)
	for i := range s.methods {
		m := &s.methods[i]
		r := Route{Config: m.differs(c)}
		for _, n := range m.names {
			r.Match = append(r.Match, n.patterns()...)
		}
		if len(r.Match) > 0 {
			c.Routes = append(c.Routes, r)
		}
	}
	return c
}

// Policy returns a Policy of the Config that Over returns: it treats each call as s says of its
// method, and as base where s says nothing. The methods of a target share their circuits, their
// budget and their places. A method for which base and s together make no sense is an error.
func (s *ServiceConfig) Policy(base Config) (holdfast.Policy, error) {
	if s != nil {
		for i := range s.methods {
			if err := s.config(base, &s.methods[i]).Validate(); err != nil {
				return nil, fmt.Errorf("methodConfig[%d]: %w", i, err)
			}
		}
	}
	stack, err := NewStack(s.Over(base))
	if err != nil {
		return nil, err
	}
	return stack, nil
}

// Config returns base with what s says of a method in its place. What s does not
// say stays as it is in base.
func (s *ServiceConfig) Config(base Config, service, method string) Config {
	return s.config(base, s.find(service, method))
}

func (s *ServiceConfig) config(base Config, m *methodConfig) Config {
	if s == nil {
		return base
	}
	c := base
	s.throttle(&c)
	if m == nil {
		return c
	}
	return m.differs(c).over(c)
}

func (s *ServiceConfig) throttle(c *Config) {
	if t := s.throttling; t != nil {
		c.Budget.Ratio, c.Budget.Min = min(t.ratio, 1), max(int(t.maxTokens/2), 1)
	}
}

// differs returns what is different from base for the methods of m.
func (m *methodConfig) differs(base Config) (c Config) {
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
		if timeout.New(c.over(base).Attempt).Options().Limit > c.Timeout.Limit {
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
	m := s.find(split(fullMethod))
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

// split tells service and method of a full method: "/users.v1.Users/Get".
func split(fullMethod string) (service, method string) {
	i := strings.LastIndexByte(fullMethod, '/')
	if i <= 0 || fullMethod[0] != '/' {
		return "", fullMethod
	}
	return fullMethod[1:i], fullMethod[i+1:]
}
