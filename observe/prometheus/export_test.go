package prometheus

import (
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Ours are the labels of the figures that are known from the start, and the others.
func Ours() map[string][]string {
	all := map[string][]string{}
	for _, s := range ours {
		all[s.name] = s.labels
	}
	return all
}

// Words are those of events that are known from the start.
func Words() []string { return slices.Clone(words) }

// A Histogram is one of ours alone, named "ours".
type Histogram struct{ histogramVec }

// NewHistogram makes one.
func NewHistogram(buckets []float64, growth float64) (*Histogram, error) {
	l, err := newLayout(buckets, growth)
	if err != nil {
		return nil, err
	}
	desc := prometheus.NewDesc("ours", "Ours.", []string{"client", "target", "method"}, nil)
	h := &Histogram{histogramVec{desc: desc, layout: l, list: map[[3]string]*histogram{}}}
	h.with("", "", "")
	return h, nil
}

// Observe counts d.
func (h *Histogram) Observe(d time.Duration) { h.with("", "", "").observe(d) }

// Pages is how many pages there are.
func (h *Histogram) Pages() (there, possible int) {
	pages := h.with("", "", "").pages
	for i := range pages {
		if pages[i].Load() != nil {
			there++
		}
	}
	return there, len(pages)
}
