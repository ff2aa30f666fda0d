package preset_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/discovery"
	"github.com/holdfast-go/holdfast/hedge"
	"github.com/holdfast-go/holdfast/loadbalance"
	"github.com/holdfast-go/holdfast/preset"
	"github.com/holdfast-go/holdfast/retry"
	"github.com/holdfast-go/holdfast/timeout"
)

// told is what a Stack reported.
type told struct {
	changes []string
	err     error
}

// follow has s follow a file; what it returns are the reports so far.
func follow(t *testing.T, ctx context.Context, s *preset.Stack, path string) func() []told {
	t.Helper()
	var mu sync.Mutex
	var reports []told
	go s.Follow(ctx, preset.File(ctx, path, time.Second), func(changes []string, err error) {
		mu.Lock()
		defer mu.Unlock()
		reports = append(reports, told{changes, err})
	})
	return func() []told {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(reports)
	}
}

func TestR18_ABadConfigIsReportedAndTheNextOneTaken(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "policy.json")
	put := func(text string) { // as kubernetes does: a new file, and a link that is replaced
		t.Helper()
		file := filepath.Join(folder, "v"+time.Now().Format("150405.000000000"))
		for _, err := range []error{os.WriteFile(file, []byte(text), 0o600), os.Symlink(file, path+".new"), os.Rename(path+".new", path)} {
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	synctest.Test(t, func(t *testing.T) {
		s, err := preset.NewStack(preset.Standard())
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		reports := follow(t, ctx, s, path)
		steps := []struct {
			text, err string // "" for none
			attempts  int
			n         int // reports so far
		}{
			{"", "no such file", 3, 1},
			{"", "", 3, 1}, // said once
			{`{"retry": {"maxAttempts": 2}}`, "", 2, 2},
			{`{"retry": {"maxAttempts": 2}}`, "", 2, 2}, // the same
			{`{"retry": {"maxAttempts": 4}, "attempt": {"limit": "31s"}}`, "attempt.limit: 31s is longer", 2, 3},
			{`{"retry": `, "unexpected", 2, 4},
			{`{"retry": {"maxAttempts": 5}}`, "", 5, 5},
		}
		for _, step := range steps {
			if step.text != "" {
				put(step.text)
			}
			time.Sleep(time.Second)
			synctest.Wait()
			if got := s.Config().Retry.MaxAttempts; got != step.attempts || len(reports()) != step.n {
				t.Fatalf("%s: %d attempts after %d reports, want %d after %d: %v", step.text, got, len(reports()), step.attempts, step.n, reports())
			}
			if last := reports()[len(reports())-1]; step.err != "" && (last.err == nil || !strings.Contains(last.err.Error(), step.err)) {
				t.Errorf("%s: %v, want %q", step.text, last.err, step.err)
			}
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if s.Config().Retry.MaxAttempts != 5 || len(reports()) != 6 {
			t.Errorf("a file that went: %v", reports())
		}
	})
}

func TestFollowEndsWithItsContext(t *testing.T) {
	s, err := preset.NewStack(preset.Standard())
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	s.Follow(ctx, func(yield func(preset.Config, error) bool) { yield(preset.Background(), nil) }, nil)
	if s.Config().Retry.MaxAttempts != 3 {
		t.Error("a Config that came after the end was taken")
	}
}

func TestDescribeTellsWhereEachValueComesFrom(t *testing.T) {
	c := preset.Background()
	if err := c.UnmarshalJSON([]byte(`{"hedge": {"maxHedges": 1, "minAttempt": "off"}, "retry": {"initialInterval": "1s", "maxInterval": "30s"}}`)); err != nil {
		t.Fatal(err)
	}
	c.Retry.MaxInterval = time.Minute
	c.Breaker.ConsecutiveFailures = 7
	text := c.Describe()
	for _, want := range []string{
		"timeout.limit 2m0s background", "retry.maxAttempts 5 background", "retry.initialInterval 1s json", "retry.maxInterval 1m0s set",
		"breaker.consecutiveFailures 7 set", "hedge.maxHedges 1 json", "hedge.minAttempt off json", "breaker.openDuration 200ms default", "retry.jitter full default",
		"breaker.probeTimeout 10s default", "timeout.idle off default", "attempt.idle 10s default", "rate.perSecond off default",
		"limit.queue 1000 default", "retry.maxRetryAfter 1m0s default", "budget.maxTargets 1024 default",
	} {
		found := false
		for line := range strings.Lines(text) {
			found = found || strings.Join(strings.Fields(line), " ") == want
		}
		if !found {
			t.Errorf("no line %q in\n%s", want, text)
		}
	}
	if again := c.Describe(); again != text {
		t.Error("it is another the second time")
	}
}

func TestWhatAStackHasLearntOutlivesChangedOptions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := preset.Standard()
		c.Attempt.Adaptive = &timeout.Adaptive{Min: -1}
		s, err := preset.NewStack(c)
		if err != nil {
			t.Fatal(err)
		}
		h := holdfast.Chain(s)
		limit := func() (d time.Duration) {
			_, err := holdfast.Do(t.Context(), h, holdfast.Call{Target: "t"}, func(ctx context.Context) (int, error) {
				deadline, _ := ctx.Deadline()
				d = time.Until(deadline)
				time.Sleep(10 * time.Millisecond)
				return 0, nil
			})
			if err != nil {
				t.Fatal(err)
			}
			return d
		}
		for range 200 {
			limit()
		}
		time.Sleep(time.Second) // a reading is kept for a while
		was := limit()
		s.Budget().Withdraw("t")
		tokens := s.Budget().Stats("t").Tokens
		c.Attempt.Adaptive = &timeout.Adaptive{Min: -1, Factor: 3}
		c.Budget.Ratio = 0.3
		if _, err := s.Update(c); err != nil {
			t.Fatal(err)
		}
		if is := limit(); is < was*19/10 || is > was*21/10 {
			t.Errorf("twice the factor of a limit of %v is %v", was, is)
		}
		if got := s.Budget().Stats("t").Tokens; got < tokens || got > tokens+0.31 {
			t.Errorf("%v tokens, before the update %v", got, tokens)
		}
	})
}

// A group named mine has one policy.
type mine struct{ *retry.Retry }

func (mine) Traits() holdfast.Traits     { return holdfast.Traits{Name: "mine"} }
func (m mine) Inside() []holdfast.Policy { return []holdfast.Policy{m.Retry} }

func TestMisplacedSaysWhatIsWrongWithAnOrder(t *testing.T) {
	r, h := retry.New(retry.Options{}), hedge.New(hedge.Options{})
	c := preset.Standard()
	p := c.Policies()
	limit, brk := p[0], p[4]
	long, short := timeout.New(timeout.Options{Limit: 10 * time.Second}), timeout.New(timeout.Options{Limit: time.Second})
	set := loadbalance.New(discovery.Static("a:1"), nil, loadbalance.Options{})
	defer set.Close()
	stack, err := preset.NewStack(c)
	if err != nil {
		t.Fatal(err)
	}
	for name, x := range map[string]struct {
		policies []holdfast.Policy
		want     string
	}{
		"Standard":               {p, ""},
		"a Stack":                {[]holdfast.Policy{stack}, ""},
		"by hand":                {[]holdfast.Policy{limit, long, r, h, brk, short}, ""},
		"one timeout":            {[]holdfast.Policy{long}, ""},
		"nil":                    {[]holdfast.Policy{nil}, ""},
		"two retries":            {[]holdfast.Policy{r, stack}, "a second retry"},
		"hedge outside":          {[]holdfast.Policy{h, r, short}, "retry inside hedge"},
		"breaker outside":        {[]holdfast.Policy{brk, r, short}, "breaker outside retry"},
		"limit inside":           {[]holdfast.Policy{r, limit, short}, "calls in flight limited inside retry"},
		"longer inside":          {[]holdfast.Policy{short, r, long}, "can never run out"},
		"nothing between":        {[]holdfast.Policy{long, short, r, short}, "only the shorter one counts"},
		"balancer outside":       {[]holdfast.Policy{set, r, short}, "a balancer outside retry"},
		"balancer inside":        {[]holdfast.Policy{r, set, short}, ""},
		"no limit of an attempt": {[]holdfast.Policy{long, r, brk}, "retry without a timeout"},
		"in a group with a name": {[]holdfast.Policy{brk, mine{r}, short}, "breaker outside retry"},
	} {
		switch err := preset.Misplaced(x.policies...); {
		case x.want == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case x.want != "" && (err == nil || !strings.Contains(err.Error(), x.want)):
			t.Errorf("%s: %v, want %q", name, err, x.want)
		}
	}
}

// What JSON cannot say stays; Update says what it takes away.
func TestFollowKeepsWhatJSONCannotSay(t *testing.T) {
	seen := 0
	mine := holdfast.PolicyFunc(func(next holdfast.Handler) holdfast.Handler {
		return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
			seen++
			return next(ctx, call)
		}
	})
	c := preset.Standard()
	c.Inner = []holdfast.Policy{mine}
	c.Retry.Budget = retry.NewBudget(retry.BudgetOptions{Min: 77})
	c.Breaker.Key = func(*holdfast.Call) string { return "all" }
	s, err := preset.NewStack(c)
	if err != nil {
		t.Fatal(err)
	}
	h := holdfast.Chain(s)
	once := func() {
		if _, err := holdfast.Do(t.Context(), h, holdfast.Call{Target: "t"}, func(context.Context) (int, error) { return 1, nil }); err != nil {
			t.Fatal(err)
		}
	}
	once()
	read, err := preset.Parse([]byte(`{"preset": "standard", "retry": {"maxAttempts": 4}}`))
	if err != nil {
		t.Fatal(err)
	}
	s.Follow(t.Context(), func(yield func(preset.Config, error) bool) { yield(read, nil) }, func(changes []string, err error) {
		if len(changes) != 1 || changes[0] != "retry.maxAttempts: 3 -> 4" || err != nil {
			t.Errorf("%v, %v", changes, err)
		}
	})
	once()
	is := s.Config()
	if seen != 2 || is.Retry.MaxAttempts != 4 || s.Budget() != c.Retry.Budget || is.Breaker.Key == nil {
		t.Errorf("seen %d; %+v", seen, is)
	}
	for _, c := range []struct {
		inner []holdfast.Policy
		want  string
	}{{[]holdfast.Policy{mine}, ""}, {[]holdfast.Policy{mine, nil}, "inner"}, {[]holdfast.Policy{mine, retry.New(retry.Options{})}, "inner"}, {nil, "inner"}} {
		is.Inner = c.inner
		changes, err := s.Update(is)
		if err != nil || (len(changes) > 0) != (c.want != "") || c.want != "" && !strings.HasPrefix(changes[0], c.want+": ") {
			t.Errorf("%v: %v, %v", c.inner, changes, err)
		}
	}
	once()
	if seen != 2 {
		t.Error("what Update takes away is still there")
	}
}

func TestANilStackDoesNothing(t *testing.T) {
	for _, s := range []*preset.Stack{nil, {}} {
		s.OnDrained(func(string) { t.Error("told") })
		if s.Inside() != nil {
			t.Error("there is something inside")
		}
		if n, err := holdfast.Do(t.Context(), holdfast.Chain(s), holdfast.Call{Target: "t"}, func(context.Context) (int, error) { return 7, nil }); n != 7 || err != nil {
			t.Errorf("%d, %v", n, err)
		}
	}
}
