package preset_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/discovery"
	"github.com/holdfast-go/holdfast/loadbalance"
	"github.com/holdfast-go/holdfast/preset"
	"github.com/holdfast-go/holdfast/retry"
)

// theirs is a policy of somebody else's.
type theirs struct {
	name    string
	options theirOptions
}

type theirOptions struct {
	Max          int
	Wait         time.Duration
	Proxy        string
	Words        []string
	URL, URLPath string
	Deep         *theirOptions     // which may be endless
	Each         map[string]string // nothing of all these is a value
	Func         func()
	Any          any
	Grid         [2]struct{ Token string }
	own          int
}

func (p *theirs) Wrap(next holdfast.Handler) holdfast.Handler { return next }
func (p *theirs) Traits() holdfast.Traits                     { return holdfast.Traits{Name: p.name} }
func (p *theirs) Options() theirOptions                       { return p.options }

// several is a Group, and has an Options that is none.
type several []holdfast.Policy

func (s several) Wrap(next holdfast.Handler) holdfast.Handler { return next }
func (s several) Inside() []holdfast.Policy                   { return s }
func (s several) Options() string                             { return "" }

// What a user adds stands in its place, with the options in force, though nobody here knows it.
func TestDescribeShowsPoliciesOfTheUsers(t *testing.T) {
	endless := theirOptions{Max: 1, own: 1}
	endless.Deep = &endless
	set := loadbalance.New(discovery.Static("a"), nil, loadbalance.Options{})
	defer set.Close()
	c := preset.Standard()
	c.Outer = []holdfast.Policy{
		&theirs{"bulkhead", theirOptions{
			Max: 5, Wait: time.Second, Proxy: "http://me:sesame@proxy\nx", Words: []string{"http://me:sesame@h/", "postgres://me:sesame@db/x?y=1"},
			URLPath: "/p", URL: "u",
			Each: map[string]string{"k": "sesame"}, Func: func() {}, Any: 1,
		}},
		nil, (*theirs)(nil), holdfast.PolicyFunc(nil),
	}
	c.Inner = []holdfast.Policy{several{&theirs{"chaos", endless}, several{}}, set}
	var lines []string
	for line := range strings.Lines(c.Describe()) {
		lines = append(lines, strings.Join(strings.Fields(line), " "))
	}
	for at, want := range []string{
		"outer[0] bulkhead own", "outer[0].max 5 own", "outer[0].wait 1s own", `outer[0].proxy "http://proxy\nx" own`, "outer[0].words http://h/,postgres://db/x own", "outer[0].url u own", "outer[0].urlPath /p own",
		"outer[2] *preset_test.theirs own", "outer[3] holdfast.PolicyFunc own", "limit.max 1000 standard",
	} {
		if lines[at] != want {
			t.Errorf("%q, want %q", lines[at], want)
		}
	}
	from := slices.Index(lines, "inner[0] preset_test.several own")
	if from < 0 || !strings.HasPrefix(lines[from-1], "rate.") || !slices.Contains(lines[from:], "inner[0][0] chaos own") || !slices.Contains(lines[from:], "inner[0][1] preset_test.several own") ||
		!slices.Contains(lines[from:], "inner[1] balancer own") || !slices.Contains(lines[from:], "inner[1].decay 10s own") {
		t.Errorf("%s", strings.Join(lines, "\n"))
	}
	last := slices.IndexFunc(lines, func(l string) bool { return strings.HasPrefix(l, "attempt.") })
	if text := strings.Join(lines, "\n"); last < from || last < slices.Index(lines, "inner[1] balancer own") || len(lines) > 120 || strings.Contains(text, "sesame") || strings.Contains(text, ".own ") {
		t.Errorf("%s", text)
	}
}

// A name is one word, without what it may hold of a credential.
func TestDescribeShowsANameInItsLine(t *testing.T) {
	c := preset.Standard()
	c.Inner = []holdfast.Policy{&theirs{name: "a\nretry.maxAttempts 99 set http://me:sesame@h/"}}
	text := c.Describe()
	if strings.Contains(text, "\nretry.maxAttempts 99") || strings.Contains(text, "sesame") || !strings.Contains(text, `"a\nretry.maxAttempts 99 set http://h/"`) {
		t.Errorf("%s", text)
	}
}

// The user's own budget is shown as what it is, and as the user's.
func TestDescribeShowsTheBudgetInForce(t *testing.T) {
	c := preset.Standard()
	c.Retry.Budget = retry.NewBudget(retry.BudgetOptions{Ratio: 0.2, Min: 77})
	for line := range strings.Lines(c.Describe()) {
		if f := strings.Fields(line); strings.HasPrefix(f[0], "budget.") && f[2] != "set" || f[0] == "budget.min" && f[1] != "77" {
			t.Errorf("%q", line)
		}
	}
}
