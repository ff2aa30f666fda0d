package prometheus

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/holdfast-go/holdfast/internal/inside"
	"github.com/holdfast-go/holdfast/internal/names"
	"github.com/holdfast-go/holdfast/internal/scrub"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/holdfast-go/holdfast"
)

// state is the Collector of what the policies tell of their own state when somebody asks. Which
// figures there will be is not known before, so that it describes none.
type state struct{ m *Metrics }

// Describe sends nothing: the registry checks what is collected, and not before.
func (state) Describe(chan<- *prometheus.Desc) {}

// Collect sends the figures of all policies.
func (s state) Collect(ch chan<- prometheus.Metric) {
	s.m.reading.Lock()
	defer s.m.reading.Unlock()
	r := &reading{m: s.m, values: map[line]float64{}, counters: map[line]map[origin]float64{}, panicked: map[string]bool{}, read: map[sight]int{}, endpoints: map[[3]string]map[string]bool{}}
	s.m.mu.Lock()
	clients := slices.Collect(maps.Values(s.m.clients))
	s.m.mu.Unlock()
	for _, c := range clients {
		c.mu.Lock()
		policies, others := c.policies, c.others // to which is only ever appended
		c.mu.Unlock()
		inside.Each(policies, func(p holdfast.Policy) (inner []holdfast.Policy) {
			if m, ok := p.(holdfast.Measured); ok {
				r.guard(c, p, func() { r.figures(c, m) })
			}
			r.guard(c, p, func() { inner = inside.Of(p) })
			return inner
		})
		for _, o := range others {
			r.guard(c, o.Measured, func() { r.figures(c, o.Measured) })
		}
	}
	r.addUp()
	for l, v := range r.values {
		if metric, err := l.of.metric(l.labels[:1+len(l.of.labels)], v); err == nil {
			ch <- metric
		}
	}
}

// A reading is the state of all policies at one time: one value for each series, even where
// several policies have the same labels.
type reading struct {
	m         *Metrics
	values    map[line]float64
	counters  map[line]map[origin]float64
	panicked  map[string]bool // clients of whose policies one did
	read      map[sight]int   // in which turn
	turn      int             // grows with each policy
	endpoints map[[3]string]map[string]bool
}

// A line is one series of figures: the client, and the values of the family's labels.
type line struct {
	of     *family
	labels [3]string
}

// A sight is a client's part that was read: what several policies share counts once.
type sight struct {
	client *client
	owner  any
}

// guard runs what a policy does. A registry collects on goroutines of its own, where nobody else
// could recover from a panic.
func (r *reading) guard(c *client, p any, f func()) {
	defer func() {
		if recover() != nil {
			r.panicked[c.name] = true
			r.add(c, leftOut(fmt.Sprintf("%T", p), "panic"))
		}
	}()
	f()
}

func (r *reading) figures(c *client, m holdfast.Measured) {
	r.turn++
	for f := range m.Figures {
		if f.Owner == nil {
			f.Owner = m
		}
		if r.first(sight{c, inside.Identity(f.Owner)}) && !math.IsNaN(f.Value) {
			r.add(c, &f)
		}
	}
}

// first reports whether nobody before has told of that owner.
func (r *reading) first(s sight) bool {
	if s.owner == nil {
		return true // there is no telling
	}
	turn, read := r.read[s]
	if !read {
		r.read[s] = r.turn
	}
	return !read || turn == r.turn
}

// add takes a figure in, or has it counted among those that cannot be shown.
func (r *reading) add(c *client, f *holdfast.Figure) {
	of, why := r.m.families.of(c, f)
	if why != "" {
		f = leftOut(f.Name, why)
		of, _ = r.m.families.of(c, f)
	}
	k := line{of, [3]string{c.name}}
	for i, l := range of.labels {
		if of.tables[i] != nil {
			k.labels[1+i] = of.tables[i].Of(f.Labels[l])
		}
	}
	for i, l := range of.labels {
		if of.tables[i] == nil {
			if r.m.o.MaxEndpoints < 0 {
				return
			}
			k.labels[1+i] = r.endpoint(k.labels, f.Labels[l])
		}
	}
	if of.kind == holdfast.Counter {
		r.count(k, f)
		return
	}
	if old, there := r.values[k]; there {
		r.values[k] = of.both(old, f.Value)
	} else {
		r.values[k] = f.Value
	}
}

// endpoint is the name of an endpoint among those with the same other labels: of the first ones
// their own. They come and go, so that none is kept longer than it is there.
func (r *reading) endpoint(among [3]string, raw string) string {
	name := scrub.Name(raw)
	there := r.endpoints[among]
	switch {
	case there[name]:
	case len(there) >= r.m.o.MaxEndpoints:
		return names.Other
	case there == nil:
		r.endpoints[among] = map[string]bool{name: true}
	default:
		there[name] = true
	}
	return name
}

// text is s as a label.
func text(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }
