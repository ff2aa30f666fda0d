package prometheus

import (
	"fmt"
	"strings"

	"github.com/holdfast-go/holdfast"
)

// A shape is what all figures of one name have alike.
type shape struct {
	name   string
	kind   holdfast.FigureKind
	keys   string
	labels []string // in the order of the alphabet
}

// ours are the figures of the policies of this module, as docs/observe.md has them. They are known
// from the start, so that nobody else's can be in their place, whoever comes first.
var ours = []shape{
	{"circuit_rejected_total", holdfast.Counter, "circuit", []string{"target"}},
	{"circuits", holdfast.Gauge, "circuit", []string{"state", "target"}},
	{"discovery_age_seconds", holdfast.Most, "", []string{"set"}},
	{"discovery_endpoints", holdfast.Gauge, "", []string{"set"}},
	{"discovery_stale_seconds", holdfast.Most, "", []string{"set"}},
	{"endpoint_picks_total", holdfast.Counter, "", []string{"endpoint", "set"}},
	{"endpoints", holdfast.Gauge, "", []string{"health", "set"}},
	{"figures_left_out", holdfast.Gauge, leftOutKeys, []string{"figure", "reason"}},
	{"hedge_delay_seconds", holdfast.Most, "", []string{"target"}},
	{"limit_in_flight", holdfast.Gauge, "", []string{"target"}},
	{"limit_max", holdfast.Most, "", nil},
	{"limit_waiting", holdfast.Gauge, "", []string{"target"}},
	{"panic_picks_total", holdfast.Counter, "", []string{"set"}},
	{"rate_tokens", holdfast.Least, "", []string{"target"}},
	{"rate_waiting", holdfast.Gauge, "", []string{"target"}},
	{"retry_budget_refused_total", holdfast.Counter, "", []string{"target"}},
	{"retry_budget_tokens", holdfast.Least, "", []string{"target"}},
	{"retry_budget_withdrawn_total", holdfast.Counter, "", []string{"target"}},
	{"table_full_total", holdfast.Counter, "", []string{"policy"}},
}

// know has ours known. An error says why Options make that impossible.
func (fs *families) know() error {
	for _, s := range ours {
		of := &family{shape: s, ours: true}
		if err := fs.describe(of, ""); err != nil {
			return fmt.Errorf("holdfast: metrics cannot be registered: Options.Namespace or Options.Labels: %s: %w", s.name, err)
		}
		of.desc = nil // its help comes with its first figure
		fs.known[stem(s.name)] = of
	}
	return nil
}

// leftOutKeys say that names and reasons of what is left out are nobody else's.
const leftOutKeys = "left_out"

// leftOut says of a figure, or of a type of policies, that it cannot be shown, and why.
func leftOut(name, why string) *holdfast.Figure {
	return &holdfast.Figure{
		Name: "figures_left_out", Help: "Figures of policies that cannot be shown: the name or the labels are not valid, or not those of the figures of that name before. Reason panic: of policies, by their types.",
		Labels: map[string]string{"figure": name, "reason": why}, Keys: leftOutKeys, Value: 1,
	}
}

// words are the policies, states and reasons of our own policies' events, as holdfast.Event has
// them. They are known from the start, so that made-up ones take no room from them.
var words = strings.Fields(`
	breaker limit rate balance
	closed open half-open isolated
	ejected spared probing back unhealthy healthy
	told caution body not_repeatable attempts budget deadline after schedule layer ended code class share
	full queue waited no_endpoint
	consecutive_failures broken failure_ratio slow probe due hand success_rate check`)
