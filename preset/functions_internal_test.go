package preset

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/retry"
)

// A purse is a hedge's Budget that counts.
type purse struct{ asked func() }

func (p *purse) Withdraw(string) bool { p.asked(); return true }
func (p *purse) Refund(string)        {}

// Each function and each policy of a Config that an Update brings is used by the calls that begin
// after it, the old one no more, and the Update says so.
func TestWhatHasNoJSONMovesToo(t *testing.T) {
	event := func(told func()) func(context.Context, holdfast.Event) {
		return func(context.Context, holdfast.Event) { told() }
	}
	policy := func(told func()) []holdfast.Policy {
		return []holdfast.Policy{holdfast.PolicyFunc(func(next holdfast.Handler) holdfast.Handler {
			return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
				told()
				return next(ctx, call)
			}
		})}
	}
	budgets := map[*retry.Budget]func(){} // who is told that something was taken
	set := map[string]func(c *Config, told func()){
		"retry.backoff": func(c *Config, told func()) {
			c.Retry.Backoff = func() backoff.BackOff { told(); return &backoff.ZeroBackOff{} }
		},
		"retry.budget": func(c *Config, told func()) {
			c.Retry.Budget = retry.NewBudget(retry.BudgetOptions{})
			budgets[c.Retry.Budget] = told
		},
		"retry.onRetry":    func(c *Config, told func()) { c.Retry.OnRetry = event(told) },
		"retry.onStop":     func(c *Config, told func()) { c.Retry.OnStop = event(told) },
		"hedge.budget":     func(c *Config, told func()) { c.Hedge.Budget = &purse{told} },
		"hedge.onHedge":    func(c *Config, told func()) { c.Hedge.OnHedge = event(told) },
		"breaker.key":      func(c *Config, told func()) { c.Breaker.Key = func(*holdfast.Call) string { told(); return "k" } },
		"breaker.onChange": func(c *Config, told func()) { c.Breaker.OnChange = event(told) },
		"outer":            func(c *Config, told func()) { c.Outer = policy(told) },
		"inner":            func(c *Config, told func()) { c.Inner = policy(told) },
	}
	paths := []string{"outer", "inner"}
	walkCode(reflect.ValueOf(Standard()), "", func(path string, _ reflect.Value) {
		if !strings.HasSuffix(path, "adaptive") {
			paths = append(paths, path)
		}
	})
	for _, path := range paths {
		if set[path] == nil {
			t.Errorf("%s: say how it is set, and what is seen of it", path)
			continue
		}
		synctest.Test(t, func(t *testing.T) {
			told := map[string]int{}
			config := func(name string) Config {
				c := Standard()
				c.Hedge.MaxHedges, c.Hedge.Delay, c.Hedge.Share, c.Breaker.ConsecutiveFailures = 1, time.Second, -1, 1
				set[path](&c, func() { told[name]++ })
				return c
			}
			s, err := NewStack(config("old"))
			if err != nil {
				t.Fatal(err)
			}
			h := holdfast.Chain(s)
			call := func() {
				for _, f := range []func(context.Context) error{
					func(context.Context) error { time.Sleep(3 * time.Second); return nil }, // it is hedged
					func(context.Context) error { return errors.New("down") },               // it is repeated
				} {
					_, _ = holdfast.Do(t.Context(), h, holdfast.Call{Target: "t", Repeatable: true}, func(ctx context.Context) (int, error) { return 0, f(ctx) })
				}
				for b, told := range budgets {
					if b.Stats("t").Withdrawn > 0 && b == s.Budget() {
						told()
					}
				}
				s.Breaker().Reset("t")
				s.Breaker().Reset("k")
			}
			call()
			before := told["old"]
			changes, err := s.Update(config("new"))
			if err != nil {
				t.Fatal(err)
			}
			call()
			if before == 0 || told["old"] != before || told["new"] == 0 {
				t.Errorf("%s: told %v, and %d times before Update", path, told, before)
			}
			// Of functions of one piece of code it cannot be seen that they are two.
			if pointer := path == "retry.budget" || path == "hedge.budget"; pointer && !slices.Contains(changes, path+": set -> another") {
				t.Errorf("%s: %q", path, changes)
			}
			if changes, err = s.Update(Standard()); err != nil || !slices.ContainsFunc(changes, func(line string) bool {
				return strings.HasPrefix(line, path+": ") && strings.HasSuffix(line, " -> none")
			}) {
				t.Errorf("%s is taken away: %q, %v", path, changes, err)
			}
			now := told["new"]
			call()
			if told["new"] != now {
				t.Errorf("%s: it was taken away, and is told %d times more", path, told["new"]-now)
			}
		})
	}
}
