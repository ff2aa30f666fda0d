package prometheus_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/holdfast-go/holdfast"
	holdprom "github.com/holdfast-go/holdfast/observe/prometheus"
)

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
			if _, ok := there[base]; !ok && base != "holdfast_amplification" { // a rule's own
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
