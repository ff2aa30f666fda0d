package preset_test

import (
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/breaker"
	"github.com/holdfast-go/holdfast/hedge"
	"github.com/holdfast-go/holdfast/preset"
	"github.com/holdfast-go/holdfast/retry"
	"github.com/holdfast-go/holdfast/timeout"
)

// A known group has a name, for Describe.
type known struct{ several }

func (known) Traits() holdfast.Traits { return holdfast.Traits{Name: "mine"} }

// A hedge that is off is none, and what a service config says of one method stands beside what it
// says of another.
func TestMisplacedKnowsWhatIsOffAndWhatStandsBeside(t *testing.T) {
	config := func(text string) holdfast.Policy {
		p, err := parsed(t, text).Policy(preset.Standard())
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	hedged := config(`{"methodConfig": [
		{"name": [{"service": "a.A"}], "hedgingPolicy": {"maxAttempts": 3, "hedgingDelay": "0.1s"}},
		{"name": [{"service": "b.B"}], "hedgingPolicy": {"maxAttempts": 2, "hedgingDelay": "0.2s"}},
		{"name": [{"service": "c.C"}], "timeout": "1s"}]}`)
	off := preset.Standard()
	off.Inner = []holdfast.Policy{hedge.New(hedge.Options{Delay: time.Millisecond})}
	short, long := timeout.New(timeout.Options{Limit: time.Second}), timeout.New(timeout.Options{Limit: time.Hour})
	r, h := retry.New(retry.Options{}), hedge.New(hedge.Options{})
	var endless several
	endless = append(endless, nil)
	endless[0] = endless
	for name, x := range map[string]struct {
		policies []holdfast.Policy
		want     string // the only thing that is wrong; "": nothing is
	}{
		"a service config":                 {[]holdfast.Policy{hedged}, ""},
		"one inside the hedge that is off": {off.Policies(), ""},
		"a timeout behind one that is off": {[]holdfast.Policy{long, hedge.New(hedge.Options{MaxHedges: -1}), short}, "two timeouts with neither retry nor hedge"},
		"one inside those of the methods":  {[]holdfast.Policy{hedged, h}, "a second hedge sends nothing"},
		"a timeout that is no use":         {[]holdfast.Policy{hedged, long}, "can never run out"},
		"a breaker outside":                {[]holdfast.Policy{breaker.New(breaker.Options{}), hedged}, "breaker outside retry"},
		"a breaker outside a named group":  {[]holdfast.Policy{breaker.New(breaker.Options{}), known{several{r, short}}}, "breaker outside retry"},
		"a named group":                    {[]holdfast.Policy{long, known{several{r}}, short}, ""},
		"a group without an end":           {[]holdfast.Policy{endless}, ""},
	} {
		err := preset.Misplaced(x.policies...)
		switch {
		case x.want == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case x.want != "" && (err == nil || !strings.Contains(err.Error(), x.want)):
			t.Errorf("%s: %v, want %q", name, err, x.want)
		}
		if err != nil && name != "a timeout that is no use" && strings.Count(err.Error(), "\n") > 0 {
			t.Errorf("%s: more than one is wrong: %v", name, err)
		}
	}
}
