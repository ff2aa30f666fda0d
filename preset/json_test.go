package preset_test

import (
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/optiontest"
	"github.com/holdfast-go/holdfast/preset"
	"github.com/holdfast-go/holdfast/retry"
	"github.com/holdfast-go/holdfast/timeout"
)

// What is set is read back as the same, or it is refused when it is written: every number, of
// several presets, at several values. Only a Share without a bound has no JSON of those that make
// sense.
func TestEveryValueIsReadBackOrRefused(t *testing.T) {
	busy := preset.Standard()
	busy.Hedge.MaxHedges, busy.Rate.PerSecond = 3, 100
	quiet := preset.Config{Retry: retry.Options{InitialInterval: -1}}
	var refused []string
	n := 0
	bases := []preset.Config{busy, preset.Standard(), quiet}
	if raceEnabled { // nothing runs at once here: the ordinary run looks at all of them
		bases = bases[:1]
	}
	for _, base := range bases {
		for _, path := range optiontest.Paths(reflect.TypeFor[preset.Config]()) {
			for _, value := range []float64{-1e9, -1, 0, 1, 3, 0.3, 1e9, 1e18, math.Inf(1), math.NaN()} {
				c := base
				if strings.Contains(path, "Adaptive") {
					c.Timeout.Adaptive, c.Attempt.Adaptive = new(timeout.Adaptive), new(timeout.Adaptive)
				}
				at := optiontest.Field(reflect.ValueOf(&c).Elem(), path)
				if at.CanInt() && value != math.Trunc(value) { // NaN too
					continue
				}
				at.Set(reflect.ValueOf(value).Convert(at.Type()))
				text, err := json.Marshal(c)
				if err != nil {
					if c.Validate() == nil {
						refused = append(refused, path)
					}
					continue
				}
				n++
				if again, err := preset.Parse(text); err != nil || values(again) != values(c) {
					t.Errorf("%s = %v: %v; written as %s\nit was\n%s\nand is\n%s", path, value, err, text, values(c), values(again))
				}
			}
		}
	}
	for _, path := range refused {
		if path != "Hedge.Share" {
			t.Errorf("%s makes sense, and is not written", path)
		}
	}
	if n < 350*len(bases) || len(refused) != 2*len(bases) {
		t.Errorf("%d values were written, %d refused; this checks little", n, len(refused))
	}
}

// What has no JSON is no jitter, and what cannot be written says where it is.
func TestWhatHasNoJSONIsRefusedWithThePath(t *testing.T) {
	c := preset.Standard()
	c.Retry.Jitter = retry.Constant + 1
	share := preset.Standard()
	share.Hedge.Share = -1
	for path, c := range map[string]preset.Config{"retry.jitter: 4 is no jitter": c, "hedge.share: a negative value has no JSON": share} {
		if _, err := json.Marshal(c); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%v, want %q", err, path)
		}
	}
	if c.Validate() == nil || share.Validate() != nil {
		t.Error("Validate says something else")
	}
}

// A value makes sense, or not, by what is in force: also where it is the default that does not go
// with it.
func TestWhatIsInForceIsValidated(t *testing.T) {
	for text, want := range map[string]string{
		`{"timeout": {"limit": "5s"}, "attempt": {"limit": "6s"}}`:                "attempt.limit: 6s is longer than timeout.limit, 5s",
		`{"hedge": {"maxHedges": 1, "delay": "15s"}, "attempt": {"limit": "0s"}}`: "hedge.delay: 15s is not below attempt.limit, 10s",
		`{"hedge": {"maxHedges": 0, "delay": "15s"}}`:                             "hedge.delay: 15s is not below attempt.limit, 10s",
		`{"hedge": {"maxHedges": -1, "delay": "15s"}}`:                            "",
		`{"retry": {"initialInterval": "30s", "maxInterval": "0s"}}`:              "retry.initialInterval: 30s is longer than retry.maxInterval, 20s",
		`{"attempt": {"adaptive": {"quantile": 7}}}`:                              "attempt.adaptive.quantile: 7 is more than all of them",
		`{"timeout": {"limit": "off"}, "attempt": {"limit": "30m"}}`:              "",
		`{"retry": {"maxAttempts": null}}`:                                        "retry.maxAttempts: null is no whole number: write one",
		`{"budget": {"ratio": "much"}}`:                                           "budget.ratio: much is no number: write one",
	} {
		switch _, err := preset.Parse([]byte(text)); {
		case want == "" && err != nil:
			t.Errorf("%s: %v", text, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

// What JSON cannot name stays, also where it names another preset.
func TestAnotherPresetKeepsWhatHasNoJSON(t *testing.T) {
	c := preset.Standard()
	c.Breaker.Key = func(*holdfast.Call) string { return "" }
	c.Retry.Budget = retry.NewBudget(retry.BudgetOptions{})
	c.Inner, c.Retry.MaxAttempts, c.Retry.Codes = []holdfast.Policy{nil}, 7, []holdfast.Code{"503"}
	was := c.Retry.Budget
	if err := json.Unmarshal([]byte(`{"preset": "background"}`), &c); err != nil {
		t.Fatal(err)
	}
	if c.Breaker.Key == nil || c.Retry.Budget != was || len(c.Inner) != 1 {
		t.Errorf("%+v", c)
	}
	if c.Retry.MaxAttempts != 5 || c.Timeout.Limit != 2*time.Minute || c.Retry.Codes != nil {
		t.Errorf("values that are not the preset's: %+v", c)
	}
}
