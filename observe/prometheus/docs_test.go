package prometheus_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/holdfast-go/holdfast"
	holdprom "github.com/holdfast-go/holdfast/observe/prometheus"
)

// The figures that are known from the start are those of the policies of this module, and the table
// of docs/observe.md has them with their labels.
func TestOurFiguresAreKnown(t *testing.T) {
	m, r := registered(t, holdprom.Options{})
	counted := map[string]bool{}
	ch := make(chan *prometheus.Desc, 100)
	m.Describe(ch)
	close(ch)
	for d := range ch {
		counted[strings.TrimPrefix(described.FindStringSubmatch(d.String())[1], "holdfast_")] = true
	}
	told := map[string]bool{"figures_left_out": true}
	traffic(t, m, func() {
		for name, v := range scraped(t, r) {
			name, labels, _ := strings.Cut(name, "{")
			if name == "figures_left_out" {
				t.Errorf("%s %v is left out", labels, v)
			}
			if !counted[name] {
				told[name] = true
			}
		}
	})
	text, err := os.ReadFile("../../docs/observe.md")
	if err != nil {
		t.Fatal(err)
	}
	page := map[string][]string{}
	for _, row := range strings.Split(string(text), "\n") {
		if cells := strings.Split(row, "|"); strings.HasPrefix(row, "| `holdfast_") && len(cells) > 2 {
			for _, name := range named.FindAllString(cells[1], -1) {
				labels := strings.Split(strings.TrimSpace(cells[2]), ", ")
				slices.Sort(labels)
				page[strings.TrimPrefix(name, "holdfast_")] = slices.DeleteFunc(labels, func(l string) bool { return l == "" })
			}
		}
	}
	for name, labels := range holdprom.Ours() {
		if on := page[name]; !slices.Equal(labels, on) || page[name] == nil {
			t.Errorf("%s has the labels %q, and in docs/observe.md %q", name, labels, on)
		}
		if !told[name] {
			t.Errorf("no policy tells %s", name)
		}
	}
	for name := range told {
		if _, ok := holdprom.Ours()[name]; !ok {
			t.Errorf("%s is not known from the start", name)
		}
	}
}

var (
	described = regexp.MustCompile(`fqName: "([a-z_]+)"`)
	named     = regexp.MustCompile(`\bholdfast_[a-z_]+`)
)

// The page, the alerts and the dashboard speak of the metrics that there are, and the
// page of all of them.
func TestThePagesNameTheMetricsThatThereAre(t *testing.T) {
	m, r := registered(t, holdprom.Options{})
	there := map[string]bool{}
	ch := make(chan *prometheus.Desc, 100)
	m.Describe(ch)
	close(ch)
	for d := range ch {
		there[described.FindStringSubmatch(d.String())[1]] = false
	}
	m.Watch("odd", &gauged{figures: []holdfast.Figure{{Name: "not a name"}}})
	traffic(t, m, func() { // the figures of the policies are known when there are some
		for name := range scraped(t, r) {
			name, _, _ = strings.Cut(name, "{")
			there["holdfast_"+name] = false
		}
	})
	for _, page := range []string{"observe.md", "prometheus/alerts.yml", "prometheus/alerts_test.yml", "prometheus/dashboard.json"} {
		text, err := os.ReadFile("../../docs/" + page)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range named.FindAllString(string(text), -1) {
			base := name
			for _, suffix := range []string{"_bucket", "_count", "_sum"} {
				base = strings.TrimSuffix(base, suffix)
			}
			if _, ok := there[base]; !ok && base != "holdfast_amplification" && base != "holdfast_bulkhead_in_flight" { // a rule's own, and an example's
				t.Errorf("%s speaks of %s, which there is not", page, name)
			}
			if page == "observe.md" {
				there[base] = true
			}
		}
	}
	for name, told := range there {
		if !told {
			t.Errorf("docs/observe.md does not speak of %s", name)
		}
	}
}
