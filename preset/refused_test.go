package preset_test

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/preset"
)

// What Validate refuses is never run with, however it becomes policies: NewStack and Update return
// the error, and Policies, which has none to return, has each call answered with it.
func TestNobodyRunsWithAConfigThatIsRefused(t *testing.T) {
	for path, change := range map[string]func(*preset.Config){
		"attempt.limit":         func(c *preset.Config) { c.Attempt.Limit = time.Minute },
		"hedge.delay":           func(c *preset.Config) { c.Hedge.MaxHedges, c.Hedge.Delay = 1, time.Minute },
		"retry.initialInterval": func(c *preset.Config) { c.Retry.InitialInterval = time.Hour },
		"retry.jitter":          func(c *preset.Config) { c.Retry.Jitter = 200 },
		"breaker.failureRatio":  func(c *preset.Config) { c.Breaker.FailureRatio = 70 },
		"budget.ratio":          func(c *preset.Config) { c.Budget.Ratio = math.NaN() },
		"timeout.limit":         func(c *preset.Config) { c.Timeout.Limit = 48 * time.Hour },
	} {
		c := preset.Standard()
		change(&c)
		want := c.Validate()
		if want == nil {
			t.Fatalf("%s is not refused: this checks nothing", path)
		}
		policies := c.Policies()
		sent := 0
		_, err := holdfast.Do(t.Context(), holdfast.Chain(policies...), holdfast.Call{Target: "t"}, func(context.Context) (int, error) { sent++; return 1, nil })
		if sent != 0 || err == nil || !strings.Contains(err.Error(), path+": ") || !strings.Contains(err.Error(), want.Error()) {
			t.Errorf("%s: sent %d times, %v", path, sent, err)
		}
		res := holdfast.Chain(policies...)(t.Context(), &holdfast.Call{Target: "t"})
		if res.Code != holdfast.CodeConfig || res.Class != holdfast.LocalFault || res.Reply != nil {
			t.Errorf("%s: %+v", path, res)
		}
		if err := preset.Misplaced(policies...); err == nil || !strings.Contains(err.Error(), path+": ") {
			t.Errorf("%s: Misplaced says %v", path, err)
		}
		if s, err := preset.NewStack(c); s != nil || err == nil || err.Error() != want.Error() {
			t.Errorf("%s: NewStack returns %v", path, err)
		}
		s, err := preset.NewStack(preset.Standard())
		if err != nil {
			t.Fatal(err)
		}
		was := s.Config().Describe()
		if changes, err := s.Update(c); changes != nil || err == nil || s.Config().Describe() != was {
			t.Errorf("%s: Update returns %v, %v", path, changes, err)
		}
	}
	for _, c := range []preset.Config{preset.Standard(), preset.Conservative(), preset.Background(), {}} {
		if n, err := holdfast.Do(t.Context(), holdfast.Chain(c.Policies()...), holdfast.Call{Target: "t"}, func(context.Context) (int, error) { return 7, nil }); n != 7 || err != nil {
			t.Errorf("%d, %v", n, errors.Join(err, c.Validate()))
		}
	}
}
