package preset_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast/hedge"
	"github.com/holdfast-go/holdfast/internal/optiontest"
	"github.com/holdfast-go/holdfast/preset"
	"github.com/holdfast-go/holdfast/retry"
	"github.com/holdfast-go/holdfast/timeout"
)

// "off" switches off, or it is refused, with what to write: a bound that is off would be none.
func TestOffSwitchesOffOrIsRefused(t *testing.T) {
	for path, off := range map[string]bool{
		"hedge.share": false, "hedge.delay": false, "hedge.minSamples": false, "hedge.window": false, "hedge.quantile": false, "hedge.maxTargets": false,
		"retry.maxInterval": false, "retry.maxRetryAfter": false, "retry.overloadInterval": false, "budget.window": false, "breaker.maxOpenDuration": false,
		"breaker.minSamples": false, "breaker.maxKeys": false, "rate.burst": false, "attempt.adaptive.factor": false,
		"hedge.maxHedges": true, "hedge.minAttempt": true, "retry.maxAttempts": true, "retry.initialInterval": true, "retry.minAttempt": true, "budget.ratio": true,
		"breaker.failureRatio": true, "breaker.consecutiveFailures": true, "breaker.maxRetryAfter": true, "limit.max": true, "rate.perSecond": true, "attempt.limit": true,
	} {
		text := `"off"`
		keys := strings.Split(path, ".")
		for i := len(keys) - 1; i >= 0; i-- {
			text = fmt.Sprintf(`{%q: %s}`, keys[i], text)
		}
		_, err := preset.Parse([]byte(text))
		if (err == nil) != off || err != nil && (!strings.Contains(err.Error(), path+": it cannot be") || strings.Count(err.Error(), ": ") < 3) {
			t.Errorf("%s: %v, want accepted: %v", text, err, off)
		}
	}
	for _, text := range []string{`{"hedge": {"share": -1}}`, `{"retry": {"maxInterval": "-1s"}}`} {
		if _, err := preset.Parse([]byte(text)); err == nil {
			t.Errorf("%s was accepted", text)
		}
	}
}

// What a negative value is in force tells whether "off" is the word for it: a field whose
// negative value is the default, the least or the most there is refuses it.
func TestOffIsRefusedWhereNothingIsSwitchedOff(t *testing.T) {
	refused := map[string]bool{}
	for _, path := range optiontest.Paths(reflect.TypeFor[preset.Config]()) {
		c := preset.Config{Retry: retry.Options{InitialInterval: time.Millisecond}}
		optiontest.Field(reflect.ValueOf(&c).Elem(), path).Set(reflect.ValueOf(-1).Convert(optiontest.Field(reflect.ValueOf(&c).Elem(), path).Type()))
		var keys []string
		for key := range strings.SplitSeq(path, ".") {
			keys = append(keys, strings.ToLower(key[:1])+key[1:])
		}
		var force string
		for line := range strings.Lines(c.Describe()) {
			if f := strings.Fields(line); f[0] == strings.Join(keys, ".") {
				force = f[1]
			}
		}
		text := `"off"`
		for i := len(keys) - 1; i >= 0; i-- {
			text = fmt.Sprintf(`{%q: %s}`, keys[i], text)
		}
		_, err := preset.Parse([]byte(text))
		refused[strings.Join(keys, ".")] = err != nil
		switch at := strings.Join(keys, "."); {
		case force == "":
			t.Errorf("%s is in force as nothing", at)
		case at == "hedge.delay" || at == "hedge.share": // off, but "off" would be read as no hedges
			if err == nil {
				t.Errorf("%s can be off", at)
			}
		case at == "retry.maxAttempts": // one attempt is no retry
			if err != nil || force != "1" {
				t.Errorf("%s: %v, %s in force", at, err, force)
			}
		case (force == "off") != (err == nil):
			t.Errorf("%s: a negative value is %s in force, and \"off\" gives %v", at, force, err)
		}
	}
	if len(refused) < 40 {
		t.Errorf("%d fields looked at; this checks little", len(refused))
	}
}

// What code sets to a negative value is written as what it means, and read again.
func TestWhatCannotBeOffIsWrittenAsItIs(t *testing.T) {
	c := preset.Standard()
	c.Retry.MaxInterval, c.Retry.MaxRetryAfter, c.Retry.OverloadInterval = -1, -1, -1
	c.Hedge = hedge.Options{MaxHedges: 2, Delay: -1, MinSamples: -1, Window: -1}
	c.Budget = retry.BudgetOptions{Window: -1, MaxTargets: -1}
	c.Attempt.Adaptive = &timeout.Adaptive{Factor: -1, Window: -1}
	text, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	again, err := preset.Parse(text)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if again.Retry.MaxInterval != 24*time.Hour || again.Retry.OverloadInterval != c.Retry.InitialInterval || again.Hedge.MinSamples != 1 || again.Hedge.Delay != time.Millisecond || again.Attempt.Adaptive.Factor != 1 {
		t.Errorf("%s", text)
	}
	if c.Attempt.Adaptive.Factor != -1 || c.Hedge.Delay != -1 {
		t.Error("writing it has changed it")
	}
}
