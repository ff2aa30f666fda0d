package prometheus

import (
	"errors"
	"math"
	"reflect"
	"strings"
	"time"

	"github.com/holdfast-go/holdfast/internal/names"
	"github.com/holdfast-go/holdfast/internal/scrub"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/breaker"
	"github.com/holdfast-go/holdfast/hedge"
	"github.com/holdfast-go/holdfast/limit"
	"github.com/holdfast-go/holdfast/loadbalance"
	"github.com/holdfast-go/holdfast/retry"
)

var errEmpty = errors.New("no endpoints any more: the last ones are kept")

// states are what is read when somebody asks, and not counted.
type states struct {
	tokens, withdrawn, refused stateful
	circuits, rejected         stateful
	inFlight, waiting, most    stateful
	hedgeDelay                 stateful
	endpoints, picks, panics   stateful
	age, stale, found          stateful
	all                        []*stateful
}

// A stateful metric is one that is made anew each time.
type stateful struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
	add  func(a, b float64) float64 // of two sources with the same labels
}

func sum(a, b float64) float64 { return a + b }

func (s *states) init(o Options) {
	set := func(to *stateful, kind prometheus.ValueType, add func(a, b float64) float64, name, help string, labels ...string) {
		*to = stateful{prometheus.NewDesc(prometheus.BuildFQName(o.Namespace, "", name), help, append([]string{"client"}, labels...), o.Labels), kind, add}
		s.all = append(s.all, to)
	}
	const gauge, counter = prometheus.GaugeValue, prometheus.CounterValue
	set(&s.tokens, gauge, math.Min, "retry_budget_tokens", "Repeats that the budget would grant now; of several targets together the least.", "target")
	set(&s.withdrawn, counter, sum, "retry_budget_withdrawn_total", "Repeats and hedges that the budget has granted.", "target")
	set(&s.refused, counter, sum, "retry_budget_refused_total", "Repeats and hedges that the budget has refused.", "target")
	set(&s.circuits, gauge, sum, "circuits", "Circuits of the breaker that are in a state.", "target", "state")
	set(&s.rejected, counter, sum, "circuit_rejected_total", "Calls that open circuits have rejected.", "target")
	set(&s.inFlight, gauge, sum, "limit_in_flight", "Calls under way, as the limit counts them.", "target")
	set(&s.waiting, gauge, sum, "limit_waiting", "Calls that wait for a place.", "target")
	set(&s.most, gauge, math.Max, "limit_max", "Calls that may be under way at once.")
	set(&s.hedgeDelay, gauge, math.Max, "hedge_delay_seconds", "How long a call takes before it is hedged; none where too little is known.", "target")
	set(&s.endpoints, gauge, sum, "endpoints", "Endpoints of a balancer, by their health.", "set", "health")
	set(&s.picks, counter, sum, "endpoint_picks_total", "Attempts that a balancer has sent to an endpoint.", "set", "endpoint")
	set(&s.panics, counter, sum, "panic_picks_total", "Picks among all endpoints of a priority, since too few were well.", "set")
	set(&s.age, gauge, math.Max, "discovery_age_seconds", "Time since the last answer of discovery that counts, or since the beginning.", "set")
	set(&s.stale, gauge, math.Max, "discovery_stale_seconds", "Time for which there have been errors, or answers without endpoints, alone; 0: the last one was good.", "set")
	set(&s.found, gauge, sum, "discovery_endpoints", "Endpoints in the last answer of discovery that counts.", "set")
}

func (s *states) describe(ch chan<- *prometheus.Desc) {
	for _, one := range s.all {
		ch <- one.desc
	}
}

// A reading is the state of all policies at one time: one value for each series, even
// where several policies have the same labels.
type reading struct {
	m      *Metrics
	values map[*stateful]map[[3]string]float64
	seen   map[sight]bool
}

// A sight is a client's part that was read: what several policies share counts once.
type sight struct {
	client *client
	part   any
}

// first reports whether the part, which is a pointer, is there and was not read yet.
func (r *reading) first(c *client, part any) bool {
	s := sight{c, part}
	if reflect.ValueOf(part).IsNil() || r.seen[s] {
		return false
	}
	r.seen[s] = true
	return true
}

func (r *reading) set(s *stateful, v float64, client string, labels ...string) {
	k := [3]string{client}
	copy(k[1:], labels)
	if r.values[s] == nil {
		r.values[s] = map[[3]string]float64{}
	}
	if old, there := r.values[s][k]; there {
		v = s.add(old, v)
	}
	r.values[s][k] = v
}

func (m *Metrics) collectState(ch chan<- prometheus.Metric) {
	m.mu.Lock()
	clients := make([]*client, 0, len(m.clients))
	for _, c := range m.clients {
		clients = append(clients, c)
	}
	m.mu.Unlock()
	r := &reading{m, map[*stateful]map[[3]string]float64{}, map[sight]bool{}}
	for _, c := range clients {
		c.read(r)
	}
	for _, s := range m.state.all {
		labels := 1 + labelsOf(s, &m.state)
		for k, v := range r.values[s] {
			metric, err := prometheus.NewConstMetric(s.desc, s.kind, v, k[:labels]...)
			if err != nil {
				metric = prometheus.NewInvalidMetric(s.desc, err)
			}
			ch <- metric
		}
	}
}

// labelsOf is how many labels a metric has besides the client.
func labelsOf(s *stateful, all *states) int {
	switch s {
	case &all.most:
		return 0
	case &all.circuits, &all.endpoints, &all.picks:
		return 2
	}
	return 1
}

func (c *client) read(r *reading) {
	c.mu.Lock()
	policies := append([]holdfast.Policy(nil), c.policies...)
	pools := append([]*opened(nil), c.pools...)
	resolvers := append([]*watched(nil), c.resolvers...)
	c.mu.Unlock()
	for _, p := range policies {
		c.readPolicy(r, p, 0)
	}
	for _, o := range pools {
		if r.first(c, o.pool) {
			c.readPool(r, o.name, o.pool)
		}
	}
	for _, w := range resolvers {
		w.mu.Lock()
		status, since := w.status, w.made
		w.mu.Unlock()
		if status.Known {
			since = status.Since
		}
		c.readDiscovery(r, w.name, status, since)
	}
}

// text is s as a label.
func text(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }

// maxDepth bounds stacks within stacks.
const maxDepth = 8

func (c *client) readPolicy(r *reading, p holdfast.Policy, depth int) {
	switch p := p.(type) {
	case interface{ Inside() []holdfast.Policy }: // a stack
		for _, inner := range p.Inside() {
			if depth < maxDepth {
				c.readPolicy(r, inner, depth+1)
			}
		}
	case *retry.Retry:
		if p != nil && r.first(c, p.Budget()) {
			c.readBudget(r, p.Budget())
		}
	case *breaker.Breaker:
		if r.first(c, p) {
			c.readBreaker(r, p)
		}
	case *hedge.Hedge:
		p.Each(func(target string, s hedge.Stats) bool {
			if s.Delay > 0 {
				r.set(&r.m.state.hedgeDelay, s.Delay.Seconds(), c.name, c.m.targets.Of(target))
			}
			return true
		})
	case *limit.InFlight:
		if !r.first(c, p) {
			return
		}
		p.Each(func(target string, s limit.InFlightStats) bool {
			if target == "" {
				target = "all"
			}
			r.set(&r.m.state.inFlight, float64(s.InFlight), c.name, c.m.targets.Of(target))
			r.set(&r.m.state.waiting, float64(s.Waiting), c.name, c.m.targets.Of(target))
			return true
		})
		if most := p.Options().Max; most > 0 {
			r.set(&r.m.state.most, float64(most), c.name)
		}
	case *loadbalance.Set:
		if !r.first(c, p) {
			return
		}
		c.readPool(r, p.String(), p.Pool)
		status := p.Status()
		c.readDiscovery(r, p.String(), status, status.Since)
	}
}

func (c *client) readBudget(r *reading, b *retry.Budget) {
	b.Each(func(target string, s retry.BudgetStats) bool {
		target = c.m.targets.Of(target)
		r.set(&r.m.state.tokens, s.Tokens, c.name, target)
		r.set(&r.m.state.withdrawn, float64(s.Withdrawn), c.name, target)
		r.set(&r.m.state.refused, float64(s.Refused), c.name, target)
		return true
	})
}

func (c *client) readBreaker(r *reading, b *breaker.Breaker) {
	b.Each(func(key string, s breaker.Status) bool {
		key = c.m.keys.Of(key)
		for _, state := range []breaker.State{breaker.Closed, breaker.Open, breaker.HalfOpen, breaker.Isolated} {
			is := 0.0
			if s.State == state {
				is = 1
			}
			r.set(&r.m.state.circuits, is, c.name, key, state.String())
		}
		r.set(&r.m.state.rejected, float64(s.Rejected), c.name, key)
		return true
	})
}

func (c *client) readPool(r *reading, set string, p *loadbalance.Pool) {
	set = c.m.sets.Of(set)
	for _, health := range []string{"ready", "ejected", "probing", "ill", "drained", "unready"} {
		r.set(&r.m.state.endpoints, 0, c.name, set, health)
	}
	n := 0
	p.Each(func(s loadbalance.Stats) bool {
		r.set(&r.m.state.endpoints, 1, c.name, set, s.Health)
		if c.m.o.Endpoints > 0 {
			endpoint := names.Other
			if n++; n <= c.m.o.Endpoints {
				endpoint = text(scrub.Name(s.Addr))
			}
			r.set(&r.m.state.picks, float64(s.Picks), c.name, set, endpoint)
		}
		return true
	})
	r.set(&r.m.state.panics, float64(p.PanicPicks()), c.name, set)
}

func (c *client) readDiscovery(r *reading, set string, s loadbalance.Status, since time.Time) {
	set = c.m.sets.Of(set)
	r.set(&r.m.state.age, time.Since(since).Seconds(), c.name, set)
	stale := 0.0
	if !s.Stale.IsZero() {
		stale = time.Since(s.Stale).Seconds()
	}
	r.set(&r.m.state.stale, stale, c.name, set)
	r.set(&r.m.state.found, float64(s.Endpoints), c.name, set)
}
