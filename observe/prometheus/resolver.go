package prometheus

import (
	"context"
	"iter"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/discovery"
	"github.com/holdfast-go/holdfast/internal/freshness"
	"github.com/holdfast-go/holdfast/internal/names"
)

// Resolver returns r with its answers counted and their age known, for those that are
// not read by a loadbalance.Set: gRPC's.
//
//	grpcclient.Resolver("holdfast", metrics.Resolver("users", discovery.DNS("users.internal:443", discovery.DNSOptions{})))
func (m *Metrics) Resolver(name string, r discovery.Resolver) discovery.Resolver {
	if !m.made() {
		return r
	}
	c := m.client(name)
	w := &watched{Resolver: r, c: c, name: names.Own(r), source: freshness.New()}
	c.open(&opened{w, func() {}})
	if refresher, ok := r.(discovery.Refresher); ok {
		return struct {
			*watched
			discovery.Refresher
		}{w, refresher}
	}
	return w
}

// A watched Resolver is one whose answers are noted, as a Set does.
type watched struct {
	discovery.Resolver
	c      *client
	name   string
	source *freshness.Source
}

// String names it as the resolver that it watches.
func (w *watched) String() string { return w.name }

// Watch notes what r says.
func (w *watched) Watch(ctx context.Context) iter.Seq2[[]discovery.Endpoint, error] {
	return func(yield func([]discovery.Endpoint, error) bool) {
		for endpoints, err := range w.Resolver.Watch(ctx) {
			result := "ok"
			if _, bad := w.source.Answered(w.name, len(endpoints), err); bad != nil {
				result = "error"
			}
			w.c.m.discoveries.WithLabelValues(w.c.name, w.c.m.sets.Of(w.name), result).Inc()
			if !yield(endpoints, err) {
				return
			}
		}
	}
}

// Figures tells how old the answers are.
func (w *watched) Figures(yield func(holdfast.Figure) bool) {
	for _, f := range w.source.Figures() {
		kind := holdfast.Most
		if f.Sum {
			kind = holdfast.Gauge
		}
		if !yield(holdfast.Figure{Name: f.Name, Help: f.Help, Kind: kind, Labels: map[string]string{"set": w.name}, Value: f.Value}) {
			return
		}
	}
}
