package preset_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/breaker"
	"github.com/holdfast-go/holdfast/limit"
	"github.com/holdfast-go/holdfast/preset"
	"github.com/holdfast-go/holdfast/retry"
	"github.com/holdfast-go/holdfast/timeout"
)

// A request is a transport of HTTP as far as routes see one.
type request struct {
	is   *http.Request
	send func(ctx context.Context, call *holdfast.Call) holdfast.Result
}

func (r request) Request() *http.Request { return r.is }

func (r request) Send(ctx context.Context, call *holdfast.Call) holdfast.Result {
	return r.send(call.Context(ctx), call)
}

// get is a call of HTTP, of gRPC or of a function, as it is written: "GET http://a/b",
// "/s.S/Get", "SELECT users".
func get(t *testing.T, what string, send func(context.Context, *holdfast.Call) holdfast.Result) *holdfast.Call {
	t.Helper()
	call := &holdfast.Call{Target: "users", Method: what, Repeatable: true, Unary: true, Sender: request{send: send}}
	method, rest, of := strings.Cut(what, " ")
	if !of {
		return call
	}
	call.Method, call.Target = method, rest
	u, err := url.Parse(rest)
	if err != nil {
		t.Fatal(err)
	}
	if u.Host != "" {
		call.Target, call.Sender = u.Host, request{&http.Request{URL: u}, send}
	} else {
		call.Sender = sends(send)
	}
	return call
}

type sends func(ctx context.Context, call *holdfast.Call) holdfast.Result

func (f sends) Send(ctx context.Context, call *holdfast.Call) holdfast.Result { return f(ctx, call) }

// down is what an attempt comes to whose server is down.
func down(context.Context, *holdfast.Call) holdfast.Result {
	return holdfast.Result{Err: errServer, Class: holdfast.Failure, Code: "503"}
}

func stackOf(t *testing.T, c preset.Config) *preset.Stack {
	t.Helper()
	s, err := preset.NewStack(c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func attemptsOf(n int, match ...string) preset.Route {
	return preset.Route{Match: match, Config: preset.Config{Retry: retry.Options{MaxAttempts: n}}}
}

// Calls of HTTP, of gRPC and of functions have what holds for their route, and the others what
// holds for all; as a Stack and as Policies.
func TestEachCallHasWhatHoldsForItsRoute(t *testing.T) {
	base := preset.Standard()
	base.Retry.MaxAttempts, base.Retry.InitialInterval = 9, -1
	base.Budget.Unlimited = true
	base.Breaker.ConsecutiveFailures, base.Breaker.ConsecutiveFailuresUnderLoad, base.Breaker.FailureRatio = -1, -1, -1
	base.Routes = []preset.Route{
		attemptsOf(2, "GET /export/{id}", "/bulk/"), attemptsOf(3, "/export/"), attemptsOf(4, "files.internal/"), attemptsOf(5, "files.internal:8443/"),
		attemptsOf(6, "/s.S/Get"), attemptsOf(7, "/s.S/"), attemptsOf(8, "SELECT postgres/"),
	}
	stack := holdfast.Chain(stackOf(t, base))
	policies := holdfast.Chain(base.Policies()...)
	for what, want := range map[string]int{
		"GET http://users/export/7": 2, "HEAD http://users/export/7": 2, "GET http://users/bulk/a/b?x=/export/7": 2, "GET http://users/bulk": 2,
		"PUT http://users/export/7": 3, "GET http://users/export/7/8": 3, "GET http://users/export//7": 2, "GET http://users/a/../export/7": 2,
		"GET http://files.internal/export/7": 4, "GET http://files.internal:80/x": 4, "GET https://files.internal:8443/x": 5,
		"/s.S/Get": 6, "/s.S/List": 7, "SELECT postgres": 8,
		"GET http://users": 9, "GET http://users/": 9, "GET http://users/exports": 9, "/o.O/Get": 9, "INSERT postgres": 9, "GET http://users/s.S": 7, "CONNECT http://users/": 9,
	} {
		for name, h := range map[string]holdfast.Handler{"Stack": stack, "Policies": policies} {
			sent := 0
			h(t.Context(), get(t, what, func(ctx context.Context, call *holdfast.Call) holdfast.Result { sent++; return down(ctx, call) }))
			if sent != want {
				t.Errorf("%s: %s: %d attempts, want %d", name, what, sent, want)
			}
		}
	}
}

// What a route does not say is as in the Config that it is in: an export may take its time, and
// nothing else is different.
func TestARouteStandsOnTheConfigThatItIsIn(t *testing.T) {
	c := preset.Standard()
	c.Timeout.Limit, c.Attempt.Limit = 2*time.Second, time.Second
	c.Routes = []preset.Route{{Match: []string{"GET /export/{id}"}, Config: preset.Config{Timeout: timeout.Options{Limit: time.Hour}, Attempt: timeout.Options{Limit: 30 * time.Minute}}}}
	h := holdfast.Chain(stackOf(t, c))
	hangs := func(ctx context.Context, _ *holdfast.Call) holdfast.Result {
		<-ctx.Done()
		v := holdfast.VerdictOf(ctx, ctx.Err())
		return holdfast.Result{Err: ctx.Err(), Class: v.Class, Code: v.Code}
	}
	for what, want := range map[string]time.Duration{"GET http://users/export/7": time.Hour, "GET http://users/": 2 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			if res := h(t.Context(), get(t, what, hangs)); res.Code != holdfast.CodeTimeout || time.Since(start) != want {
				t.Errorf("%s: %v after %v, want %v", what, res.Err, time.Since(start), want)
			}
		})
	}
}

// Routes share circuits and budget, whatever differs in them.
func TestRoutesShareCircuitsAndBudget(t *testing.T) {
	c := preset.Standard()
	c.Retry.InitialInterval = -1
	c.Routes = []preset.Route{{Match: []string{"/export/"}, Config: preset.Config{Retry: retry.Options{MaxAttempts: 2}, Breaker: breaker.Options{OpenDuration: 30 * time.Second}}}}
	s := stackOf(t, c)
	h := holdfast.Chain(s)
	h(t.Context(), get(t, "GET http://users/export/", down))
	if tokens := s.Budget().Stats("users").Tokens; tokens > 4.5 {
		t.Errorf("%v tokens are left to all: a route has repeats of its own", tokens)
	}
	for range 3 {
		h(t.Context(), get(t, "GET http://users/export/", down))
	}
	if s.Breaker().State("users") != breaker.Open {
		t.Errorf("%v", s.Breaker().State("users"))
	}
	if res := h(t.Context(), get(t, "GET http://users/", down)); !errors.Is(res.Err, breaker.ErrOpen) {
		t.Errorf("outside of the route the server that is down is asked still: %v", res.Err)
	}
	if open := s.Breaker().Status("users"); time.Until(open.Until) < 10*time.Second {
		t.Errorf("open until %v, which is not as the route that opened it says", open.Until)
	}
}

// A route that says nothing of places shares them, and one that does has its own; its rate, too.
func TestARouteThatLimitsHasPlacesOfItsOwn(t *testing.T) {
	c := preset.Standard()
	c.Limit.Max, c.Rate.PerSecond, c.Rate.Burst = 1, 1000, 1000
	c.Routes = []preset.Route{
		{Match: []string{"/shared"}, Config: preset.Config{Retry: retry.Options{MaxAttempts: 2}, Limit: limit.InFlightOptions{Max: 1}}},
		{Match: []string{"/own"}, Config: preset.Config{Limit: limit.InFlightOptions{Max: 2}}},
		{Match: []string{"/slow"}, Config: preset.Config{Limit: limit.InFlightOptions{Max: 50}, Rate: limit.RateOptions{PerSecond: 0.001, Burst: 1}}},
	}
	s := stackOf(t, c)
	h := holdfast.Chain(s)
	ok := func(context.Context, *holdfast.Call) holdfast.Result {
		return holdfast.Result{Err: errServer, Class: holdfast.Ignored}
	}
	hold := func(path string, within func()) (in bool) {
		h(t.Context(), get(t, "GET http://users"+path, func(ctx context.Context, call *holdfast.Call) holdfast.Result {
			in = true
			within()
			return ok(ctx, call)
		}))
		return in
	}
	hold("/", func() {
		if hold("/shared", func() {}) {
			t.Error("a second call had the one place")
		}
		first := hold("/own", func() {
			if !hold("/own", func() {
				if hold("/own", func() {}) {
					t.Error("a third had a place of the two")
				}
			}) {
				t.Error("the second place is taken by a call of no route")
			}
		})
		if !first || s.Limit().Stats("").InFlight != 1 {
			t.Errorf("in: %v, with %d of all", first, s.Limit().Stats("").InFlight)
		}
	})
	if !hold("/slow", func() {}) || hold("/slow", func() {}) || !hold("/", func() {}) {
		t.Error("the rate of a route holds for its calls, and for no others")
	}
}

// The tokens of a rate are all calls' where a route says nothing of them, and places are its own
// from when it is changed to say so.
func TestARouteSharesPlacesAndTokensUntilItLimits(t *testing.T) {
	c := preset.Standard()
	c.Limit.Max = 1
	c.Rate.PerSecond, c.Rate.Burst = 0.001, 4
	c.Routes = []preset.Route{attemptsOf(2, "/a")}
	s := stackOf(t, c)
	h := holdfast.Chain(s)
	hold := func(path string, within func()) (in bool) {
		h(t.Context(), get(t, "GET http://users"+path, func(context.Context, *holdfast.Call) holdfast.Result {
			in = true
			within()
			return holdfast.Result{Err: errServer, Class: holdfast.Ignored}
		}))
		return in
	}
	hold("/", func() {
		if hold("/a", func() {}) {
			t.Error("the place is taken twice")
		}
		c.Routes[0].Config.Limit.Max = 2
		if _, err := s.Update(c); err != nil {
			t.Fatal(err)
		}
		if !hold("/a", func() {
			if !hold("/a", func() {}) {
				t.Error("of the route's own two places one is taken by a call of none")
			}
		}) {
			t.Error("it has no place of its own")
		}
	})
	if !hold("/", func() {}) || hold("/a", func() {}) {
		t.Error("four tokens are not all that there are")
	}
}

// What stands in the wrong order is found in each route.
func TestMisplacedLooksAtEachRoute(t *testing.T) {
	c := preset.Standard()
	c.Routes = []preset.Route{{Match: []string{"/x"}, Config: preset.Config{Inner: []holdfast.Policy{retry.New(retry.Options{})}}}}
	for name, policies := range map[string][]holdfast.Policy{"Policies": c.Policies(), "Stack": {stackOf(t, c)}} {
		if err := preset.Misplaced(policies...); err == nil || !strings.Contains(err.Error(), "a second retry") {
			t.Errorf("%s: %v", name, err)
		}
	}
	c.Routes[0].Config.Inner = nil
	if err := preset.Misplaced(c.Policies()...); err != nil {
		t.Error(err)
	}
}

// A door learns of the endpoints that are gone by the balancers of routes, each once.
func TestRoutesTellOfDrainedEndpoints(t *testing.T) {
	all, own := &drains{}, &drains{}
	c := preset.Standard()
	c.Inner = []holdfast.Policy{all}
	c.Routes = []preset.Route{{Match: []string{"/a"}, Config: preset.Config{Inner: []holdfast.Policy{own}}}, {Match: []string{"/b"}, Config: preset.Config{Inner: []holdfast.Policy{all, own}}}}
	late := &drains{}
	s := stackOf(t, c)
	s.OnDrained(func(string) {})
	c.Policies()[0].(interface{ OnDrained(func(string)) }).OnDrained(func(string) {})
	if all.asked != 2 || own.asked != 2 {
		t.Errorf("asked %d and %d times, want twice: by the Stack and by the Policies", all.asked, own.asked)
	}
	c.Routes = slices.Clone(c.Routes)
	c.Routes[1].Config.Inner = []holdfast.Policy{late}
	if _, err := s.Update(c); err != nil || late.asked != 1 || all.asked != 2 {
		t.Errorf("%v; after Update asked %d and %d times", err, late.asked, all.asked)
	}
}

type drains struct{ asked int }

func (d *drains) Wrap(next holdfast.Handler) holdfast.Handler { return next }
func (d *drains) OnDrained(func(string))                      { d.asked++ }

// What routes cost a call is that its own is to be found: an allocation for each part of the path
// that some pattern has, as a ServeMux makes them.
func TestToBeFoundCostsLittle(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates; the ordinary run measures")
	}
	plain := preset.Standard()
	with := plain
	with.Routes = []preset.Route{attemptsOf(2, "GET /export/{id}", "/s.S/Get", "/exact"), attemptsOf(2, "h:81/")}
	none, routed := holdfast.Chain(stackOf(t, plain)), holdfast.Chain(stackOf(t, with))
	ok := func(context.Context, *holdfast.Call) holdfast.Result {
		return holdfast.Result{Err: errServer, Class: holdfast.Ignored}
	}
	for _, what := range []string{"GET http://users/export/7", "GET http://users/", "GET http://users/exact", "GET http://users/other/path", "/s.S/Get", "/s.S/List"} {
		call := get(t, what, ok)
		run := func(h holdfast.Handler) float64 {
			return testing.AllocsPerRun(1000, func() {
				call.Record = nil
				h(t.Context(), call)
			})
		}
		if n := run(routed) - run(none); n > 6 {
			t.Errorf("%s: %v allocations more, want six at most", what, n)
		}
	}
}

// What the calls of a route take says nothing of others: adaptive limits are learnt by each route.
func TestRoutesLearnByThemselves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := preset.Standard()
		c.Retry.MaxAttempts = -1
		c.Attempt.Adaptive = &timeout.Adaptive{MinSamples: 10, Window: time.Hour}
		c.Routes = []preset.Route{{Match: []string{"/export/"}, Config: preset.Config{Attempt: timeout.Options{Adaptive: &timeout.Adaptive{Factor: 2}}}}}
		s := stackOf(t, c)
		h := holdfast.Chain(s)
		takes := func(path string, d time.Duration) time.Duration {
			start := time.Now()
			h(t.Context(), get(t, "GET http://users"+path, func(ctx context.Context, _ *holdfast.Call) holdfast.Result {
				timer := time.NewTimer(d)
				defer timer.Stop()
				select {
				case <-ctx.Done():
					return holdfast.Result{Err: ctx.Err(), Class: holdfast.Failure, Code: holdfast.CodeTimeout}
				case <-timer.C:
					return holdfast.Result{Err: errServer, Class: holdfast.Success}
				}
			}))
			return time.Since(start)
		}
		learn := func() {
			for range 50 {
				takes("/", 100*time.Millisecond)
				takes("/export/", time.Second)
			}
			time.Sleep(2 * time.Minute) // a reading is kept for a while
		}
		learn()
		for range 2 {
			if quick, slow := takes("/", time.Hour), takes("/export/", time.Hour); quick > 170*time.Millisecond || slow < 1900*time.Millisecond || slow > 2200*time.Millisecond {
				t.Errorf("cut after %v, and %v on the route; want half as much again as 100 ms, and twice a second", quick, slow)
			}
			again := s.Config() // what was learnt is kept
			again.Retry.MaxRetryAfter = time.Hour
			if _, err := s.Update(again); err != nil {
				t.Fatal(err)
			}
			time.Sleep(2 * time.Minute)
			learn()
		}
	})
}
