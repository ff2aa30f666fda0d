package prometheus

import (
	"math"
	"reflect"
	"strings"

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
	r := &reading{m: s.m, values: map[*family]map[[3]string]float64{}, read: map[sight]int{}, endpoints: map[[3]string]map[string]bool{}}
	s.m.mu.Lock()
	clients := make([]*client, 0, len(s.m.clients))
	for _, c := range s.m.clients {
		clients = append(clients, c)
	}
	s.m.mu.Unlock()
	for _, c := range clients {
		c.mu.Lock()
		policies, others := c.policies, c.others // to which is only ever appended
		c.mu.Unlock()
		for _, p := range policies {
			r.policy(c, p, 0)
		}
		for _, o := range others {
			r.figures(c, o.Measured)
		}
	}
	for of, values := range r.values {
		for k, v := range values {
			if metric, err := of.metric(k[:1+len(of.labels)], v); err == nil {
				ch <- metric
			}
		}
	}
}

// A reading is the state of all policies at one time: one value for each series, even where
// several policies have the same labels.
type reading struct {
	m         *Metrics
	values    map[*family]map[[3]string]float64
	read      map[sight]int // in which turn
	turn      int           // grows with each policy
	endpoints map[[3]string]map[string]bool
}

// A sight is a client's part that was read: what several policies share counts once.
type sight struct {
	client *client
	owner  any
}

// maxDepth bounds groups within groups.
const maxDepth = 8

func (r *reading) policy(c *client, p holdfast.Policy, depth int) {
	if of := reflect.ValueOf(p); of.Kind() == reflect.Pointer && of.IsNil() {
		return
	}
	if m, ok := p.(holdfast.Measured); ok {
		r.figures(c, m)
	}
	if g, ok := p.(holdfast.Group); ok && depth < maxDepth {
		for _, inner := range g.Inside() {
			r.policy(c, inner, depth+1)
		}
	}
}

func (r *reading) figures(c *client, m holdfast.Measured) {
	r.turn++
	for f := range m.Figures {
		if f.Owner == nil {
			f.Owner = m
		}
		if r.first(sight{c, f.Owner}) && !math.IsNaN(f.Value) {
			r.add(c, &f)
		}
	}
}

// first reports whether nobody before has told of that owner.
func (r *reading) first(s sight) bool {
	if reflect.TypeOf(s.owner).Kind() != reflect.Pointer {
		return true // there is no telling, and it may be of a type that cannot be compared
	}
	turn, read := r.read[s]
	if !read {
		r.read[s] = r.turn
	}
	return !read || turn == r.turn
}

// add takes a figure in, or has it counted among those that cannot be shown.
func (r *reading) add(c *client, f *holdfast.Figure) {
	of, why := r.m.families.of(f)
	if why != "" {
		f = leftOut(f.Name, why)
		of, _ = r.m.families.of(f)
	}
	k := [3]string{c.name}
	for i, l := range of.labels {
		if of.tables[i] != nil {
			k[1+i] = of.tables[i].Of(f.Labels[l])
		}
	}
	for i, l := range of.labels {
		if of.tables[i] == nil {
			if r.m.o.MaxEndpoints < 0 {
				return
			}
			k[1+i] = r.endpoint(k, f.Labels[l])
		}
	}
	if r.values[of] == nil {
		r.values[of] = map[[3]string]float64{}
	}
	if old, there := r.values[of][k]; there {
		r.values[of][k] = of.both(old, f.Value)
	} else {
		r.values[of][k] = f.Value
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

// leftOut says of a figure that it cannot be shown, and why.
func leftOut(name, why string) *holdfast.Figure {
	return &holdfast.Figure{
		Name: "figures_left_out", Help: "Figures of policies that cannot be shown: the name or the labels are not valid, or not those of the figures of that name before.",
		Labels: map[string]string{"figure": name, "reason": why}, Value: 1,
	}
}

// text is s as a label.
func text(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }
