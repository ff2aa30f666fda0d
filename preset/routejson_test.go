package preset_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/breaker"
	"github.com/holdfast-go/holdfast/preset"
	"github.com/holdfast-go/holdfast/retry"
	"github.com/holdfast-go/holdfast/timeout"
)

const withRoutes = `{"preset": "standard", "limit": {"perTarget": true}, "attempt": {"limit": "2s"}, "routes": [
	{"match": "GET /export/{id}", "timeout": {"limit": "1h"}, "attempt": {"limit": "off", "adaptive": {"quantile": 0.9}}, "limit": {"perTarget": false}},
	{"match": ["/s.S/Put", "POST /put"], "preset": "background", "retry": {"maxAttempts": "off"}}]}`

// Routes are read from JSON as they are in code, and written as the same.
func TestRoutesAreReadAndWritten(t *testing.T) {
	c, err := preset.Parse([]byte(withRoutes))
	if err != nil {
		t.Fatal(err)
	}
	again, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"read": withRoutes, "written": string(again)} {
		c, err := preset.Parse([]byte(text))
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		got := lines(c)
		for _, want := range []string{
			`routes[0].match "GET /export/{id}" set`, "routes[0].timeout.limit 1h0m0s json", "routes[0].attempt.limit off json", "routes[0].attempt.idle off default",
			"routes[0].limit.perTarget false json", `routes[1].match "/s.S/Put, POST /put" set`, "routes[1].retry.maxAttempts 1 json",
		} {
			if !slices.Contains(got, want) {
				t.Errorf("%s: there is no %q in\n%s", name, want, strings.Join(got, "\n"))
			}
		}
		if !slices.ContainsFunc(got, func(l string) bool { return strings.HasPrefix(l, "routes[1].timeout.limit 2m0s ") }) {
			t.Errorf("%s: a route is not made of its preset", name)
		}
	}
	if strings.Join(lines(c), "\n") == "" || slices.ContainsFunc(lines(c), func(l string) bool { return strings.HasPrefix(l, "routes[1].limit.max") }) {
		t.Error("what a route does not change is listed")
	}
}

// What makes no sense in a route, or beside it, is refused with its path, in JSON and in code.
func TestRoutesThatMakeNoSenseAreRefused(t *testing.T) {
	for text, want := range map[string]string{
		`[{"match": "/a", "timeout": {"limit": "48h"}}]`:                   "routes[0].timeout.limit: 48h0m0s is longer than a day",
		`[{"match": "/a"}, {"match": "/b", "attempt": {"limit": "1h"}}]`:   "routes[1].attempt.limit: 1h0m0s is longer than timeout.limit, 30s",
		`[{"match": "/a", "atempt": {}}]`:                                  "routes[0].atempt: there is no such field: did you mean attempt?",
		`[{"match": "/a", "retry": {"maxAttempts": "x"}}]`:                 "routes[0].retry.maxAttempts: x is no whole number",
		`[{"match": "/a", "hedge": {"delay": "off"}}]`:                     `routes[0].hedge.delay: it cannot be "off"`,
		`[{"match": "/a", "retry": {"maxRetryAfter": "off"}}]`:             `routes[0].retry.maxRetryAfter: it cannot be "off"`,
		`[{"match": "/a", "budget": {"ratio": 0.5}}]`:                      "routes[0].budget.ratio: all routes share it: set it outside the routes",
		`[{"match": "/a", "breaker": {"window": "1m"}}]`:                   "routes[0].breaker.window: all routes share it",
		`[{"match": "/a", "breaker": {"maxKeys": 5}}]`:                     "routes[0].breaker.maxKeys: all routes share it",
		`[{"match": "/a", "routes": []}]`:                                  "routes[0].routes: a route has none of its own",
		`[{"match": "/a", "preset": "best"}]`:                              "routes[0].preset: it is no preset",
		`[{"timeout": {}}]`:                                                "routes[0].match: it must be there",
		`[{"match": []}]`:                                                  "routes[0].match: it must be there",
		`[{"match": 7}]`:                                                   "routes[0].match: it must be there",
		`[7]`:                                                              "routes[0]: it is no object",
		`{}`:                                                               "routes: it is no list",
		`[{"match": "GET"}]`:                                               `routes[0].match[0]: "GET" is no pattern: at offset 0: host/path missing /`,
		`[{"match": "/a{b"}]`:                                              `routes[0].match[0]: "/a{b" is no pattern: at offset 1: bad wildcard segment`,
		`[{"match": "G@T /a"}]`:                                            `routes[0].match[0]: "G@T /a" is no pattern: at offset 0: invalid method`,
		`[{"match": "/{x}/b"}, {"match": ["/c", "/a/{y}"]}]`:               `routes[1].match[1]: "/a/{y}" and "/{x}/b" of routes[0].match[0] match some calls both, and neither is more specific`,
		`[{"match": ["/a", "/b", "/a"]}]`:                                  `routes[0].match[2]: "/a" and "/a" of routes[0].match[0] match some calls both`,
		`[{"match": "h:1/a"}, {"match": "h:1/{x}"}, {"match": "h:1/{y}"}]`: `routes[2].match[0]: "h:1/{y}" and "h:1/{x}" of routes[1].match[0]`,
	} {
		_, err := preset.Parse([]byte(`{"routes": ` + text + `}`))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
		if err != nil && strings.Contains(err.Error(), ".go:") {
			t.Errorf("%s: it tells where in the code it was found: %v", text, err)
		}
	}
	for want, differs := range map[string]preset.Config{
		"routes[0].retry.budget: all routes share it":     {Retry: retry.Options{Budget: retry.NewBudget(retry.BudgetOptions{})}},
		"routes[0].breaker.onChange: all routes share it": {Breaker: breaker.Options{OnChange: func(context.Context, holdfast.Event) {}}},
		"routes[0].routes: a route has none of its own":   {Routes: []preset.Route{{Match: []string{"/b"}}}},
		"routes[0].timeout.limit: 25h0m0s is longer":      {Timeout: timeout.Options{Limit: 25 * time.Hour}},
	} {
		c := preset.Standard()
		c.Routes = []preset.Route{{Match: []string{"/a"}, Config: differs}}
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), want) || strings.Count(err.Error(), "\n") > 0 {
			t.Errorf("%v, want %q alone", err, want)
		}
	}
	c := preset.Standard()
	c.Breaker.FailureRatio = 7
	c.Routes = []preset.Route{{Match: []string{"/a"}}}
	if err := c.Validate(); err == nil || strings.Contains(err.Error(), "routes") {
		t.Errorf("%v: what is wrong with all calls is said of a route", err)
	}
	c = preset.Standard()
	for i := range 1001 { // of which the last is one too many
		c.Routes = append(c.Routes, attemptsOf(2, fmt.Sprint("/", i)))
	}
	if err := c.Validate(); err == nil || !strings.Contains(err.Error(), "routes: they are more than 1000") {
		t.Error(err)
	}
	c.Routes = []preset.Route{attemptsOf(2, make([]string, 4001)...)}
	if err := c.Validate(); err == nil || !strings.Contains(err.Error(), "routes: they have more than 4000 patterns") {
		t.Error(err)
	}
	c.Routes = []preset.Route{attemptsOf(2, slices.Repeat([]string{"GET /" + strings.Repeat("long", 1<<12)}, 100)...)}
	if err := c.Validate(); err == nil || len(err.Error()) > 5_000 {
		t.Errorf("an error of %d bytes", len(err.Error()))
	}
}

// Update adds routes, removes and changes them, says so, and keeps what they have for themselves.
func TestRoutesAreChangedLive(t *testing.T) {
	route := func(pattern string, most int, c preset.Config) preset.Route {
		c.Limit.Max = most
		return preset.Route{Match: []string{pattern}, Config: c}
	}
	from := preset.Standard()
	from.Routes = []preset.Route{route("GET /a", 1, preset.Config{}), route("/gone", 3, preset.Config{Timeout: timeout.Options{Limit: 20 * time.Second}})}
	to := preset.Standard()
	to.Retry.MaxAttempts = 4
	to.Routes = []preset.Route{route("/new", 0, preset.Config{Attempt: timeout.Options{Limit: 5 * time.Second}}), route("GET /a", 2, preset.Config{})}
	s := stackOf(t, from)
	h := holdfast.Chain(s)
	within := func(f func()) (in bool) {
		h(t.Context(), get(t, "GET http://users/a", func(context.Context, *holdfast.Call) holdfast.Result {
			in = true
			f()
			return holdfast.Result{Err: errServer, Class: holdfast.Ignored}
		}))
		return in
	}
	within(func() {
		if within(func() {}) {
			t.Fatal("there is one place, and two have it")
		}
		changes, err := s.Update(to)
		if err != nil {
			t.Fatal(err)
		}
		want := []string{
			"retry.maxAttempts: 3 -> 4",
			"routes[/new]: none -> set", "routes[/new].breaker.probeTimeout: 10s -> 5s", "routes[/new].attempt.limit: 10s -> 5s", "routes[/new].attempt.idle: 10s -> 5s",
			`routes["GET /a"].limit.max: 1 -> 2`, `routes["GET /a"].limit.queue: 1 -> 2`,
			"routes[/gone]: set -> none", "routes[/gone].limit.max: 3 -> 1000", "routes[/gone].limit.queue: 3 -> 1000", "routes[/gone].timeout.limit: 20s -> 30s",
		}
		if !slices.Equal(changes, want) {
			t.Errorf("%q, want\n%q", changes, want)
		}
		if !within(func() {
			if within(func() {}) {
				t.Error("the call that began before the Update holds no place any more")
			}
		}) {
			t.Error("the place that has come is not there")
		}
	})
	slices.Reverse(to.Routes)
	if changes, err := s.Update(to); changes != nil || err != nil {
		t.Errorf("another order: %q, %v", changes, err)
	}
	to.Routes[0].Match = []string{"GET /a", "GET /b"}
	if changes, _ := s.Update(to); !slices.Equal(changes, []string{`routes["GET /a, GET /b"].match: "GET /a" -> "GET /a, GET /b"`}) {
		t.Errorf("another pattern: %q", changes)
	}
	to.Routes[0].Config.Retry.OnRetry = func(context.Context, holdfast.Event) {}
	if changes, _ := s.Update(to); !slices.Equal(changes, []string{`routes["GET /a, GET /b"].retry.onRetry: none -> set`}) {
		t.Errorf("a function: %q", changes)
	}
	bad := s.Config()
	bad.Routes[0].Config.Attempt.Limit = time.Hour
	if _, err := s.Update(bad); err == nil || !strings.Contains(err.Error(), "routes[0].attempt.limit") || s.Config().Routes[0].Config.Attempt.Limit != 0 {
		t.Errorf("a route that makes no sense: %v", err)
	}
}

// Who follows a file keeps the functions of routes that are in it still.
func TestFollowKeepsTheFunctionsOfRoutes(t *testing.T) {
	c := preset.Standard()
	c.Routes = []preset.Route{attemptsOf(2, "/a"), attemptsOf(2, "/b")}
	retried := 0
	for i := range c.Routes {
		c.Routes[i].Config.Retry.OnRetry = func(context.Context, holdfast.Event) { retried++ }
	}
	s := stackOf(t, c)
	s.Follow(t.Context(), func(yield func(preset.Config, error) bool) {
		yield(preset.Parse([]byte(`{"routes": [{"match": "/b", "retry": {"maxAttempts": 3, "initialInterval": "off"}}]}`)))
	}, func(_ []string, err error) {
		if err != nil {
			t.Error(err)
		}
	})
	if h := holdfast.Chain(s); len(s.Config().Routes) == 1 {
		h(t.Context(), get(t, "GET http://users/b", down))
	}
	if retried != 2 {
		t.Errorf("%d retries told, want 2; %+v", retried, s.Config().Routes)
	}
}
