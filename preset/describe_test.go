package preset_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/breaker"
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

// lines are those of Describe, with all white space made one.
func lines(c preset.Config) (lines []string) {
	for line := range strings.Lines(c.Describe()) {
		lines = append(lines, strings.Join(strings.Fields(line), " "))
	}
	return lines
}

// asks has an Options that wants something, and pairs one that returns two.
type (
	asks  struct{ theirs }
	pairs struct{ theirs }
)

func (*asks) Options(int) theirOptions                    { return theirOptions{} }
func (*pairs) Options() (o theirOptions, theirs struct{}) { return o, theirs }

// What has no name is called by its type, what is no plain Options is not asked, a group that holds
// itself has an end, and what would move a cursor is quoted.
func TestDescribeShowsOddPoliciesOfTheUsers(t *testing.T) {
	endless := make(several, 1)
	endless[0] = endless
	c := preset.Standard()
	c.Outer = []holdfast.Policy{&theirs{}, &asks{theirs{name: "asks"}}, &pairs{theirs{name: "pairs"}}, &theirs{"odd", theirOptions{Proxy: "a\x1b[31m"}}, endless}
	got := lines(c)
	for _, want := range []string{"outer[0] *preset_test.theirs own", "outer[1] asks own", "outer[2] pairs own", `outer[3].proxy "a\x1b[31m" own`, "outer[4][0][0] preset_test.several own"} {
		if !slices.Contains(got, want) {
			t.Errorf("there is no %q", want)
		}
	}
	if text := strings.Join(got, "\n"); strings.Contains(text, "outer[1].") || strings.Contains(text, "outer[2].") || len(got) > 150 {
		t.Errorf("%s", text)
	}
}

// What was made of no preset owes nothing to one.
func TestDescribeNamesNoPresetThatWasNotUsed(t *testing.T) {
	var c preset.Config
	c.Attempt.Limit = preset.Standard().Attempt.Limit
	got := lines(c)
	if i := slices.IndexFunc(got, func(l string) bool { return strings.HasPrefix(l, "attempt.limit ") }); i < 0 || !strings.HasSuffix(got[i], " set") {
		t.Errorf("%v", got)
	}
}

// A probe has the time of an attempt, unless it was given another; an attempt without a limit says
// nothing of it.
func TestAProbeHasTheTimeOfAnAttempt(t *testing.T) {
	for _, c := range []struct {
		limit, probe time.Duration
		want         string
	}{{2 * time.Second, 0, "2s"}, {2 * time.Second, 3 * time.Second, "3s"}, {2 * time.Second, -1, "off"}, {-1, 0, breaker.New(breaker.Options{}).Options().ProbeTimeout.String()}} {
		config := preset.Standard()
		config.Attempt.Limit, config.Breaker.ProbeTimeout = c.limit, c.probe
		got := lines(config)
		i := slices.IndexFunc(got, func(l string) bool { return strings.HasPrefix(l, "breaker.probeTimeout ") })
		if i < 0 || !strings.HasPrefix(got[i], "breaker.probeTimeout "+c.want+" ") {
			t.Errorf("attempt %v, probe %v: want %s in %q", c.limit, c.probe, c.want, got[max(i, 0)])
		}
	}
}

// A budget of the user's own is used as it is, by the part that it was given to, and no longer once
// it is taken away.
func TestABudgetOfTheUsersOwn(t *testing.T) {
	own, hedges := retry.NewBudget(retry.BudgetOptions{}), retry.NewBudget(retry.BudgetOptions{})
	c := preset.Standard()
	c.Retry.Budget, c.Hedge.Budget = own, hedges
	s, err := preset.NewStack(c)
	if err != nil {
		t.Fatal(err)
	}
	if s.Budget() != own || s.Hedge().Options().Budget != hedges {
		t.Error("they are not used")
	}
	for own.Withdraw("t") {
	}
	c.Retry.Budget, c.Hedge.Budget = nil, nil
	if _, err := s.Update(c); err != nil {
		t.Fatal(err)
	}
	if s.Budget() == own || !s.Budget().Withdraw("t") || s.Hedge().Options().Budget != s.Budget() {
		t.Errorf("the user's budget, which is empty, is used still: %+v", s.Budget().Stats("t"))
	}
}
