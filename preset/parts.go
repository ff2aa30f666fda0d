package preset

import (
	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/retry"
)

// A row makes one of the policies of a Config.
type row struct {
	make func(c *Config, before holdfast.Policy) holdfast.Policy // with the state of the one before; nil: there is none
	read func(c *Config, p holdfast.Policy)                      // puts the options in force into c

	shares sharing // what routes have of the state
}

// of is the row of a policy with those options. A nil policy's With is its New.
func of[P interface {
	holdfast.Policy
	With(O) P
	Options() O
}, O any](shares sharing, options func(*Config) *O) row {
	return row{
		shares: shares,
		make: func(c *Config, before holdfast.Policy) holdfast.Policy {
			was, _ := before.(P)
			return was.With(*options(c))
		},
		read: func(c *Config, p holdfast.Policy) { *options(c) = p.(P).Options() }, //nolint:errcheck // made by the same row
	}
}

// A Retry has no state but its Budget.
func makeRetry(c *Config, _ holdfast.Policy) holdfast.Policy { return retry.New(c.Retry) }

func readRetry(c *Config, p holdfast.Policy) {
	r := p.(*retry.Retry) //nolint:errcheck // made by makeRetry
	c.Retry, c.Budget = r.Options(), r.Budget().Options()
}

// parts are the policies made of a Config.
type parts struct {
	config Config
	made   [len(table)]holdfast.Policy
	routed *routed // nil: there are no routes
}

// build makes the policies of c, with the state of those before, which may be nil.
func build(c Config, before *parts) *parts {
	c = c.copied()
	p := &parts{config: c}
	if before == nil {
		before = new(parts)
	}
	c = c.probing()
	was := find[*retry.Retry](before)
	switch {
	case c.Retry.Budget != nil:
	case was != nil && before.config.Retry.Budget == nil:
		c.Retry.Budget = was.Budget().With(c.Budget)
	default:
		c.Retry.Budget = retry.NewBudget(c.Budget)
	}
	if c.Hedge.Budget == nil {
		c.Hedge.Budget = c.Retry.Budget
	}
	for i, r := range table {
		p.made[i] = r.make(&c, before.made[i])
	}
	p.route(before)
	return p
}

// probing returns c with the time of a probe.
func (c Config) probing() Config {
	if c.Breaker.ProbeTimeout == 0 && c.Attempt.Limit > 0 {
		c.Breaker.ProbeTimeout = c.Attempt.Limit
	}
	return c
}

// find returns the policy of a type, of which there is one.
func find[P holdfast.Policy](p *parts) (found P) {
	if p == nil {
		return found
	}
	for _, one := range p.made {
		if is, ok := one.(P); ok {
			return is
		}
	}
	return found
}

// effective returns the options in force, with the defaults filled in.
func (p *parts) effective() Config {
	c := Config{Outer: p.config.Outer, Inner: p.config.Inner}
	for i, r := range table {
		r.read(&c, p.made[i])
	}
	if c.Timeout.Idle == 0 {
		c.Timeout.Idle = -1
	}
	if c.Attempt.Idle == 0 {
		c.Attempt.Idle = c.Attempt.Limit
	}
	return c
}

// list is what a call passes: where there are routes, one policy that chooses among them.
func (p *parts) list() []holdfast.Policy {
	if p.routed != nil {
		return []holdfast.Policy{p.routed}
	}
	return p.chain()
}

// chain is the canonical order.
func (p *parts) chain() []holdfast.Policy {
	last := len(p.made) - 1
	list := append([]holdfast.Policy(nil), p.config.Outer...)
	list = append(list, p.made[:last]...)
	list = append(list, p.config.Inner...)
	return append(list, p.made[last])
}
