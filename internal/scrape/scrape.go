// Package scrape reads metrics of Prometheus in tests.
package scrape

import (
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

// Values are the values of the series, "name{a=b,c=d}" with the labels in order; of a
// histogram how many observations it has.
func Values(t *testing.T, r prometheus.Gatherer) map[string]float64 {
	t.Helper()
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				labels = append(labels, l.GetName()+"="+l.GetValue())
			}
			name := strings.TrimPrefix(f.GetName(), "holdfast_") + "{" + strings.Join(labels, ",") + "}"
			switch {
			case m.GetCounter() != nil:
				values[name] = m.GetCounter().GetValue()
			case m.GetGauge() != nil:
				values[name] = m.GetGauge().GetValue()
			default:
				values[name] = float64(m.GetHistogram().GetSampleCount())
			}
		}
	}
	return values
}

// Check compares the series that want names.
func Check(t *testing.T, got, want map[string]float64) {
	t.Helper()
	for name, v := range want {
		if g, there := got[name]; !there || g != v {
			t.Errorf("%s is %v (there: %v), want %v", name, g, there, v)
		}
	}
	if t.Failed() {
		for name, v := range got {
			t.Log(name, v)
		}
	}
}
