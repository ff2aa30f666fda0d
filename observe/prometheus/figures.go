package prometheus

import (
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/holdfast-go/holdfast/internal/names"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/holdfast-go/holdfast"
)

// A family is what all figures of one name have alike. The first one that comes decides.
type family struct {
	name   string
	kind   holdfast.FigureKind
	desc   *prometheus.Desc
	labels []string       // besides the client, in the order of the alphabet
	tables []*names.Table // what bounds the values of each; nil: endpoints are bounded otherwise
}

// families are those of all figures that were seen. It is safe for concurrent use.
type families struct {
	m      *Metrics
	mu     sync.Mutex
	known  map[string]*family         // by stem
	taken  map[string]bool            // the stems of what is counted
	tables map[[2]string]*names.Table // by what the values are, and the label
}

// mostFamilies bounds how many there are, whatever the policies make up.
const mostFamilies = 200

var wellNamed = regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9_]*$`)

// stem is a name without what says that it counts: OpenMetrics has no gauge x beside a
// counter x_total.
func stem(name string) string { return strings.TrimSuffix(name, "_total") }

func (fs *families) init(m *Metrics) {
	fs.m, fs.known = m, map[string]*family{}
	fs.tables = map[[2]string]*names.Table{
		{"", "target"}: &m.targets, {"", "method"}: &m.methods, {"", "set"}: &m.sets, {"circuit", "target"}: &m.keys,
	}
}

// take keeps a name of a metric that is no figure.
func (fs *families) take(name string) {
	if fs.taken == nil {
		fs.taken = map[string]bool{}
	}
	fs.taken[stem(name)] = true
}

// of returns the family of a figure, or why it can have none.
func (fs *families) of(f *holdfast.Figure) (of *family, why string) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	at := stem(f.Name)
	of = fs.known[at]
	switch {
	case of == nil:
		return fs.add(f, at)
	case of.name != f.Name:
		return nil, "taken"
	case of.kind != f.Kind:
		return nil, "kind"
	case !of.has(f.Labels):
		return nil, "labels"
	}
	return of, ""
}

// has reports whether labels are those of the family.
func (of *family) has(labels map[string]string) bool {
	for _, l := range of.labels {
		if _, there := labels[l]; !there {
			return false
		}
	}
	return len(labels) == len(of.labels)
}

func (fs *families) add(f *holdfast.Figure, at string) (of *family, why string) {
	switch {
	case !wellNamed.MatchString(f.Name):
		return nil, "name"
	case fs.taken[at]:
		return nil, "taken"
	case f.Kind > holdfast.Counter:
		return nil, "kind"
	case len(f.Labels) > 2:
		return nil, "labels"
	case len(fs.known) == mostFamilies:
		return nil, "many"
	}
	of = &family{name: f.Name, kind: f.Kind}
	for l := range f.Labels {
		if !wellNamed.MatchString(l) {
			return nil, "labels"
		}
		of.labels = append(of.labels, l)
	}
	slices.Sort(of.labels)
	o := &fs.m.o
	of.desc = prometheus.NewDesc(prometheus.BuildFQName(o.Namespace, "", f.Name), text(f.Help), append([]string{"client"}, of.labels...), o.Labels)
	if _, err := of.metric(make([]string, 1+len(of.labels)), 0); err != nil { // a label "client", or one of Options.Labels
		return nil, "labels"
	}
	for _, l := range of.labels {
		of.tables = append(of.tables, fs.table(f.Keys, l))
	}
	fs.known[at] = of
	return of, ""
}

// table is what bounds the values of a label.
func (fs *families) table(keys, label string) *names.Table {
	if label == "endpoint" {
		return nil
	}
	t := fs.tables[[2]string{keys, label}]
	if t == nil {
		t = fs.m.table()
		fs.tables[[2]string{keys, label}] = t
	}
	return t
}

func (of *family) metric(labels []string, v float64) (prometheus.Metric, error) {
	kind := prometheus.GaugeValue
	if of.kind == holdfast.Counter {
		kind = prometheus.CounterValue
	}
	return prometheus.NewConstMetric(of.desc, kind, v, labels...)
}

// both are two values with the same labels as one.
func (of *family) both(a, b float64) float64 {
	switch of.kind {
	case holdfast.Least:
		return min(a, b)
	case holdfast.Most:
		return max(a, b)
	}
	return a + b
}
