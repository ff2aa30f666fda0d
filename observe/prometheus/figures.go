package prometheus

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/holdfast-go/holdfast/internal/names"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/holdfast-go/holdfast"
)

// A family is what all figures of one name have alike. Of others' the first one that comes decides.
type family struct {
	shape  // its labels are those besides the client
	ours   bool
	desc   *prometheus.Desc
	tables []*names.Table   // what bounds the values of each label; nil: endpoints are bounded otherwise
	users  map[*client]bool // whose policies have told some; of others' alone
}

// families are those of all figures that were seen, and ours. It is safe for concurrent use.
type families struct {
	m      *Metrics
	mu     sync.Mutex
	known  map[string]*family         // by stem
	taken  map[string]bool            // the stems of what is counted
	tables map[[2]string]*names.Table // by what the values are, and the label
}

// mostFamilies bounds how many there are besides ours, whatever the policies make up.
const mostFamilies = 200

var wellNamed = regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9_]*$`)

// stem is a name without what says that it counts: OpenMetrics has no gauge x beside a
// counter x_total.
func stem(name string) string { return strings.TrimSuffix(name, "_total") }

func (fs *families) init(m *Metrics) {
	fs.m, fs.known, fs.tables = m, map[string]*family{}, map[[2]string]*names.Table{}
	fs.bound()
}

// bound has the labels bounded that calls and events have too.
func (fs *families) bound() {
	m := fs.m
	for at, t := range map[[2]string]*names.Table{
		{"", "target"}: &m.targets, {"", "method"}: &m.methods, {"", "set"}: &m.sets, {"circuit", "target"}: &m.keys,
	} {
		fs.tables[at] = t
	}
}

// take keeps a name of a metric that is no figure.
func (fs *families) take(name string) {
	if fs.taken == nil {
		fs.taken = map[string]bool{}
	}
	fs.taken[stem(name)] = true
}

// of returns the family of a figure of a client, or why it can have none.
func (fs *families) of(c *client, f *holdfast.Figure) (of *family, why string) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	at := stem(f.Name)
	of = fs.known[at]
	switch {
	case of == nil:
		if of, why = fs.add(f, at); why != "" {
			return nil, why
		}
	case of.name != f.Name:
		return nil, "taken"
	case of.kind != f.Kind:
		return nil, "kind"
	case !of.has(f.Labels):
		return nil, "labels"
	case of.desc == nil: // the first one of ours
		if err := fs.describe(of, f.Help); err != nil {
			return nil, "labels"
		}
	}
	if !of.ours {
		of.users[c] = true
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
	case len(fs.known) >= len(ours)+mostFamilies:
		return nil, "many"
	}
	of = &family{shape: shape{f.Name, f.Kind, f.Keys, slices.Sorted(maps.Keys(f.Labels))}, users: map[*client]bool{}}
	if slices.ContainsFunc(of.labels, func(l string) bool { return !wellNamed.MatchString(l) }) || fs.describe(of, f.Help) != nil {
		return nil, "labels"
	}
	fs.known[at] = of
	return of, ""
}

// describe makes what a registry knows of a family. An error: it has a label "client", or one of
// Options.Labels.
func (fs *families) describe(of *family, help string) error {
	o := &fs.m.o
	of.desc = prometheus.NewDesc(prometheus.BuildFQName(o.Namespace, "", of.name), text(help), append([]string{"client"}, of.labels...), o.Labels)
	if _, err := of.metric(make([]string, 1+len(of.labels)), 0); err != nil {
		return err
	}
	of.tables = nil
	for _, l := range of.labels {
		of.tables = append(of.tables, fs.table(of.keys, l))
	}
	return nil
}

// forget frees the names that only the policies of c have told, and what bounded their labels.
func (fs *families) forget(c *client) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	for at, of := range fs.known {
		if delete(of.users, c); !of.ours && len(of.users) == 0 {
			delete(fs.known, at)
		}
	}
	tables := fs.tables
	fs.tables = map[[2]string]*names.Table{}
	fs.bound()
	for at, of := range fs.known {
		if of.ours && of.keys == leftOutKeys { // which may be full of theirs, and is begun anew
			anew := *of
			anew.desc = nil
			fs.known[at] = &anew
			continue
		}
		for _, l := range of.labels {
			if t := tables[[2]string{of.keys, l}]; t != nil {
				fs.tables[[2]string{of.keys, l}] = t
			}
		}
	}
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
