package prometheus

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/holdfast-go/holdfast/internal/names"
	"github.com/holdfast-go/holdfast/internal/option"
	"github.com/holdfast-go/holdfast/internal/scrub"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/holdfast-go/holdfast"
)

// Options set up Metrics. The zero value is the default of every field.
type Options struct {
	// Namespace begins the names of all metrics; empty: "holdfast".
	Namespace string
	// Labels are those that all of them have besides: none of "client", "target",
	// "method" and the other labels of docs/observe.md, which Register refuses.
	Labels map[string]string
	// MaxTargets and MaxMethods are how many of each have series of their own, in the order
	// in which they come: 0 and negative mean 100. The rest is "other". Pairs of a
	// target and a method are bounded to ten times the larger of both.
	MaxTargets, MaxMethods int
	// MaxEndpoints is how many addresses of a set have a count of their picks: 0 means 100;
	// negative: there is no such count.
	MaxEndpoints int
	// Buckets are the upper bounds of the classic histograms in seconds; nil: from 1 ms
	// to 30 s.
	Buckets []float64
	// Native is the growth of the buckets of the native histograms: 0 means 1.1; negative,
	// and 1 or less: there are classic ones alone.
	Native float64
	// Exemplar returns the labels by which a call is found elsewhere, such as a trace's
	// ID; nil, or no labels: the call has no exemplar. observe/otel has TraceID.
	Exemplar func(ctx context.Context) map[string]string
}

func (o Options) filled() Options {
	if o.Namespace == "" {
		o.Namespace = "holdfast"
	}
	o.MaxTargets, o.MaxMethods = option.Of(o.MaxTargets, 100, 100), option.Of(o.MaxMethods, 100, 100)
	o.MaxEndpoints = option.Of(o.MaxEndpoints, 100, option.Off)
	if o.Buckets == nil {
		o.Buckets = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30}
	}
	o.Native = option.Of(o.Native, 1.1, option.Off)
	return o
}

// Metrics counts, and is the Collector of what it counts. It is safe for concurrent
// use. One that Register has not made, nil too, counts nothing. Make one for each registry. Of what Register does, Unregister undoes a
// part: the figures of the policies stay in the registry until Forget.
type Metrics struct {
	o       Options
	targets names.Table
	keys    names.Table // of circuits, which may be more than targets
	sets    names.Table
	methods names.Table

	calls, attempts                 *prometheus.CounterVec
	callDuration, attemptDuration   *histogramVec
	retries, stops, outcomes        *prometheus.CounterVec
	hedges, hedgesWon, hedgesDenied *prometheus.CounterVec
	rejections, circuitChanges      *prometheus.CounterVec
	endpointChanges, ejections      *prometheus.CounterVec
	discoveries, replays            *prometheus.CounterVec
	vecs                            []prometheus.Collector
	families                        families

	mu      sync.Mutex
	clients map[string]*client

	reading sync.Mutex // what counters were at the last one is known to the next
	counted map[line]*tally
}

// Register makes Metrics and registers them; nil means prometheus.DefaultRegisterer. It
// may be called several times: where r has Metrics of that Namespace and those Labels
// already, these are returned, with the Options that they had. It never panics, and an
// error leaves r as it was: the name of a metric is taken by somebody else, say.
func Register(r prometheus.Registerer, o Options) (*Metrics, error) {
	if r == nil {
		r = prometheus.DefaultRegisterer
	}
	m, err := newMetrics(o.filled())
	if err != nil {
		return nil, err
	}
	err = r.Register(m)
	var taken prometheus.AlreadyRegisteredError
	if errors.As(err, &taken) {
		if old, ok := taken.ExistingCollector.(*Metrics); ok {
			return old, nil
		}
	}
	if err == nil {
		if err = r.Register(state{m}); err != nil {
			r.Unregister(m)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("holdfast: metrics cannot be registered; choose another Namespace or Labels: %w", err)
	}
	return m, nil
}

func newMetrics(o Options) (*Metrics, error) {
	layout, err := newLayout(o.Buckets, o.Native)
	if err != nil {
		return nil, err
	}
	m := &Metrics{o: o, clients: map[string]*client{}}
	m.methods.Most = o.MaxMethods
	for _, t := range []*names.Table{&m.targets, &m.keys, &m.sets} {
		t.Most, t.Clean = o.MaxTargets, scrub.Name
	}
	m.families.init(m)
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		v := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: o.Namespace, Name: name, Help: help, ConstLabels: o.Labels}, labels)
		m.vecs = append(m.vecs, v)
		m.families.take(name)
		return v
	}
	histogram := func(name, help string, labels ...string) *histogramVec {
		desc := prometheus.NewDesc(prometheus.BuildFQName(o.Namespace, "", name), help, labels, o.Labels)
		v := &histogramVec{desc: desc, layout: layout, list: map[[3]string]*histogram{}}
		m.vecs = append(m.vecs, v)
		for _, suffix := range []string{"", "_count", "_sum", "_bucket"} {
			m.families.take(name + suffix)
		}
		return v
	}
	m.calls = counter("calls_total", "Logical calls that are over, repeats and hedges included in each, by what they came to.", "client", "target", "method", "class", "code")
	m.attempts = counter("attempts_total", "Sendings on the wire that are over: first ones, retries and hedges.", "client", "target", "method", "kind", "class", "code")
	m.callDuration = histogram("call_duration_seconds", "What logical calls take, until their answers are read.", "client", "target", "method")
	m.attemptDuration = histogram("attempt_duration_seconds", "What sendings on the wire take, until their answers are read.", "client", "target", "method")
	m.retries = counter("retries_total", "Repeats that were decided on, by what the attempt before came to.", "client", "target", "reason")
	m.stops = counter("retries_stopped_total", "Calls that did not succeed and were not repeated, by the reason.", "client", "target", "reason")
	m.outcomes = counter("retry_outcomes_total", "What repeats came to, by the number of the attempt: whether they pay.", "client", "target", "attempt", "class")
	m.replays = counter("replays_total", "Attempts that the transport has sent once more by itself, where the door counts them.", "client", "target")
	m.hedges = counter("hedges_total", "Hedges that were sent.", "client", "target")
	m.hedgesWon = counter("hedges_won_total", "Hedges whose answers were the calls'.", "client", "target")
	m.hedgesDenied = counter("hedges_denied_total", "Hedges that were due and not sent, by the reason.", "client", "target", "reason")
	m.rejections = counter("rejections_total", "Calls and attempts that a policy did not let through.", "client", "target", "policy", "reason")
	m.circuitChanges = counter("circuit_changes_total", "Changes of the breaker's circuits, by the state that they came to.", "client", "target", "to")
	m.endpointChanges = counter("endpoint_changes_total", "Endpoints that were ejected, are back, turned unhealthy or healthy.", "client", "change")
	m.ejections = counter("ejections_total", "Ejections of endpoints by rule, and those that were due when too many were ejected already.", "client", "rule", "enforced")
	m.discoveries = counter("discovery_updates_total", "Answers and errors of discovery.", "client", "resolver", "result")
	process := func(name, help string, value func() float64) {
		m.vecs = append(m.vecs, prometheus.NewCounterFunc(prometheus.CounterOpts{Namespace: o.Namespace, Name: name, Help: help, ConstLabels: o.Labels}, value))
		m.families.take(name)
	}
	process("process_pauses_total", "Times that this process stood still for 20 ms or longer while calls were under way: stopped, or short of the processor.",
		func() float64 { n, _ := holdfast.Pauses(); return float64(n) })
	process("process_paused_seconds_total", "Seconds that it stood still.",
		func() float64 { _, stood := holdfast.Pauses(); return stood.Seconds() })
	return m, m.families.know()
}

func (m *Metrics) made() bool { return m != nil && m.clients != nil }

// table makes what bounds the values of a label that only figures have: states, say, which are
// few, however few targets there are to be.
func (m *Metrics) table() *names.Table {
	return &names.Table{Most: max(m.o.MaxTargets, 100), Clean: scrub.Name}
}

// Describe sends what is counted. What the policies tell of their state is collected apart.
func (m *Metrics) Describe(ch chan<- *prometheus.Desc) {
	if !m.made() {
		return
	}
	for _, v := range m.vecs {
		v.Describe(ch)
	}
}

// Collect sends what was counted.
func (m *Metrics) Collect(ch chan<- prometheus.Metric) {
	if !m.made() {
		return
	}
	for _, v := range m.vecs {
		v.Collect(ch)
	}
}

// Watch puts the counting around the policies of a client, as observe.Watch does, and
// reads the state of those that are Measured whenever it is asked for the metrics, also
// within a Group such as preset.Stack: circuits, budgets, limits, balancers, your own. The name is the label "client". What it
// returns serves several doors. Forget lets go of the policies.
func (m *Metrics) Watch(name string, policies ...holdfast.Policy) []holdfast.Policy {
	if !m.made() {
		return policies
	}
	c := m.client(name)
	c.watch(policies)
	calls, attempts := c.around()
	return append(append([]holdfast.Policy{calls}, policies...), attempts)
}

// Forget takes the state of a client's policies out of the metrics, and no longer
// listens to them. Names of figures that nobody else tells are free again. What was counted stays.
func (m *Metrics) Forget(name string) {
	if !m.made() {
		return
	}
	m.mu.Lock()
	c := m.clients[text(name)]
	m.mu.Unlock()
	if c != nil {
		c.forget()
		m.families.forget(c)
	}
}

// client returns the client of that name.
func (m *Metrics) client(name string) *client {
	name = text(name)
	m.mu.Lock()
	defer m.mu.Unlock()
	c := m.clients[name]
	if c == nil {
		c = newClient(m, name)
		m.clients[name] = c
	}
	return c
}
