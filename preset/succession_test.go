package preset_test

import (
	"context"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/limit"
	"github.com/holdfast-go/holdfast/preset"
	"github.com/holdfast-go/holdfast/timeout"
)

// routesOf are routes as they are written: "a b, c" is one of /a and /b, and one of /c. Each may
// have so many calls under way, and so many that begin.
func routesOf(most int, text string) (routes []preset.Route) {
	for one := range strings.SplitSeq(text, ", ") {
		r := preset.Route{Config: preset.Config{
			Limit: limit.InFlightOptions{Max: most},
			Rate:  limit.RateOptions{PerSecond: 1e-6, Burst: most},
		}}
		for pattern := range strings.FieldsSeq(one) {
			r.Match = append(r.Match, "/"+pattern)
		}
		if len(r.Match) > 0 {
			routes = append(routes, r)
		}
	}
	return routes
}

// A holding is calls under way, by their paths.
type holding struct {
	t    *testing.T
	h    holdfast.Handler
	end  chan struct{}
	wg   sync.WaitGroup
	mu   sync.Mutex
	sent map[string]int
}

func holds(t *testing.T, s *preset.Stack) *holding {
	return &holding{t: t, h: holdfast.Chain(s), end: make(chan struct{}), sent: map[string]int{}}
}

// more begins calls to a path, and returns how many of them are under way then.
func (h *holding) more(path string, n int) int {
	before := h.count(path)
	for range n {
		call := get(h.t, "GET http://users"+path, func(context.Context, *holdfast.Call) holdfast.Result {
			h.mu.Lock()
			h.sent[path]++
			h.mu.Unlock()
			<-h.end
			return holdfast.Result{Err: errServer, Class: holdfast.Ignored}
		})
		h.wg.Go(func() { h.h(h.t.Context(), call) })
	}
	synctest.Wait()
	return h.count(path) - before
}

func (h *holding) count(path string) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.sent[path]
}

func (h *holding) done() {
	close(h.end)
	h.wg.Wait()
}

// Each old route's places and tokens go to one new route, and the others begin anew: how many of
// the old one's calls are under way tells whose state it is.
func TestStateOfARouteGoesToOneRoute(t *testing.T) {
	for name, c := range map[string]struct {
		steps []string
		want  map[string]int // of the routes in the end, by their first pattern: how many of 100 are taken
	}{
		"as they were":                     {[]string{"a b, c", "a b, c"}, map[string]int{"a": 1, "c": 2}},
		"in another order":                 {[]string{"a b, c, d", "d, b a, c"}, map[string]int{"d": 4, "b": 1, "c": 2}},
		"one in two":                       {[]string{"a b", "a, b"}, map[string]int{"a": 1, "b": 0}},
		"one in two, the other way round":  {[]string{"a b", "b, a"}, map[string]int{"a": 1, "b": 0}},
		"one in three":                     {[]string{"a b c", "c, b, a"}, map[string]int{"a": 1, "b": 0, "c": 0}},
		"without the first pattern":        {[]string{"a b c", "c, b"}, map[string]int{"b": 1, "c": 0}},
		"two in one":                       {[]string{"a, b", "b a"}, map[string]int{"b": 2}},
		"two in one, by the first":         {[]string{"a c, b d", "c b"}, map[string]int{"c": 2}},
		"crosswise":                        {[]string{"a b, c d", "b c, a d"}, map[string]int{"b": 2, "a": 1}},
		"the rest has a place":             {[]string{"a b, c", "c a, b"}, map[string]int{"c": 2, "b": 1}},
		"another pattern":                  {[]string{"a, b", "z, b"}, map[string]int{"z": 0, "b": 2}},
		"more patterns":                    {[]string{"a", "z a"}, map[string]int{"z": 1}},
		"another name of a wildcard":       {[]string{"a/{x}/{y...}, {$}", "a/{u}/{v...}, {$}"}, map[string]int{"a/{u}/{v...}": 1, "{$}": 2}},
		"in two and one again":             {[]string{"a b", "a, b", "a b"}, map[string]int{"a": 1}},
		"removed and brought back":         {[]string{"a, b", "b", "a, b"}, map[string]int{"a": 0, "b": 2}},
		"all removed and all brought back": {[]string{"a, b", "", "a, b"}, map[string]int{"a": 0, "b": 0}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { successionIs(t, c.steps, c.want) })
		})
	}
}

// path is one that a pattern matches.
func path(pattern string) string {
	path := strings.NewReplacer("{$}", "", "...", "", "{", "", "}", "").Replace(pattern)
	return "/" + strings.TrimPrefix(path, "/")
}

func successionIs(t *testing.T, steps []string, want map[string]int) {
	t.Helper()
	c := preset.Standard()
	c.Routes = routesOf(100, steps[0])
	s := stackOf(t, c)
	h := holds(t, s)
	defer h.done()
	for i, r := range c.Routes {
		h.more(path(r.Match[0]), 1<<i)
	}
	for _, step := range steps[1:] {
		c.Routes = routesOf(100, step)
		if _, err := s.Update(c); err != nil {
			t.Fatal(err)
		}
	}
	for _, r := range c.Routes {
		if got := 100 - h.more(path(r.Match[0]), 150); got != want[r.Match[0][1:]] {
			t.Errorf("%q: of %q %d are taken, want %d", steps, r.Match, got, want[r.Match[0][1:]])
		}
	}
	// The tokens went the same way: all are spent, and places there are.
	for i := range c.Routes {
		c.Routes[i].Config.Limit.Max = 1000
	}
	if _, err := s.Update(c); err != nil {
		t.Fatal(err)
	}
	for _, r := range c.Routes {
		if got := h.more(path(r.Match[0]), 200); got > 0 {
			t.Errorf("%q: of %q %d more have begun than the rate says", steps, r.Match, got)
		}
	}
}

// However patterns are dealt out among routes, no two routes come to share a limit, each has the
// one that it says, and what was under way is nobody's twice.
func TestNoTwoRoutesShareALimit(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 13)) //nolint:gosec // it is to be the same each time
	deal := func() string {
		routes := make([]string, 1+r.IntN(4))
		for _, i := range r.Perm(6) {
			if to := r.IntN(len(routes) + 1); to < len(routes) { // or the pattern is in none
				routes[to] += " " + string(rune('a'+i))
			}
		}
		return strings.Join(slices.DeleteFunc(routes, func(s string) bool { return s == "" }), ", ")
	}
	for range 100 {
		steps := []string{deal(), deal(), deal()}
		synctest.Test(t, func(t *testing.T) {
			c := preset.Standard()
			c.Routes = routesOf(100, steps[0])
			s := stackOf(t, c)
			h := holds(t, s)
			defer h.done()
			known := map[int]bool{0: true}
			for i, r := range c.Routes {
				known[1<<i] = true
				h.more(path(r.Match[0]), 1<<i)
			}
			for _, step := range steps[1:] {
				c.Routes = routesOf(100, step)
				if _, err := s.Update(c); err != nil {
					t.Fatal(err)
				}
			}
			for _, r := range c.Routes {
				taken := 100 - h.more(path(r.Match[0]), 150)
				if !known[taken] {
					t.Errorf("%q: of %q %d are taken, which are no old route's alone, or another's now", steps, r.Match, taken)
				}
				known[taken] = taken == 0
			}
		})
	}
}

// Both halves of a route that is split have their own bounds, in whichever order they come, also
// when they change once more.
func TestTheHalvesOfARouteHaveTheirOwnLimits(t *testing.T) {
	for name, halves := range map[string][2]int{"the first has less": {1, 100}, "the second has less": {100, 1}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := preset.Standard()
				c.Routes = routesOf(2, "a b")
				s := stackOf(t, c)
				c.Routes = append(routesOf(halves[0], "a"), routesOf(halves[1], "b")...)
				for range 3 {
					c.Timeout.Limit += time.Second
					if _, err := s.Update(c); err != nil {
						t.Fatal(err)
					}
				}
				h := holds(t, s)
				defer h.done()
				for i, path := range []string{"/a", "/b"} {
					if got := h.more(path, 150); got != halves[i] {
						t.Errorf("%d calls of %s at once, want %d", got, path, halves[i])
					}
				}
			})
		})
	}
}

// What calls take goes to one of the halves as well: the other learns anew, and each for itself.
func TestTheHalvesOfARouteLearnByThemselves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := preset.Standard()
		c.Retry.MaxAttempts = -1
		adaptive := preset.Config{Attempt: timeout.Options{Adaptive: &timeout.Adaptive{Quantile: 0.9, MinSamples: 10, Factor: 2, Window: time.Hour}}}
		c.Routes = []preset.Route{{Match: []string{"/a", "/b"}, Config: adaptive}}
		s := stackOf(t, c)
		h := holdfast.Chain(s)
		takes := func(path string, d time.Duration) time.Duration {
			start := time.Now()
			h(t.Context(), get(t, "GET http://users"+path, func(ctx context.Context, _ *holdfast.Call) holdfast.Result {
				select {
				case <-ctx.Done():
					return holdfast.Result{Err: ctx.Err(), Class: holdfast.Failure, Code: holdfast.CodeTimeout}
				case <-time.After(d):
					return holdfast.Result{Err: errServer, Class: holdfast.Success}
				}
			}))
			return time.Since(start)
		}
		for range 50 {
			takes("/a", 100*time.Millisecond)
		}
		c.Routes = []preset.Route{{Match: []string{"/b"}, Config: adaptive}, {Match: []string{"/a"}, Config: adaptive}}
		if _, err := s.Update(c); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Minute) // a reading is kept for a while
		if a, b := takes("/a", time.Hour), takes("/b", time.Hour); a > 250*time.Millisecond || b != 10*time.Second {
			t.Errorf("cut after %v and %v, want twice 100 ms, and the limit", a, b)
		}
		for range 50 {
			takes("/b", time.Second)
		}
		time.Sleep(2 * time.Minute)
		if a, b := takes("/a", time.Hour), takes("/b", time.Hour); a > 250*time.Millisecond || b < 1900*time.Millisecond || b > 2200*time.Millisecond {
			t.Errorf("cut after %v and %v, want twice 100 ms, and twice a second", a, b)
		}
	})
}

// Who waits for a place or a token of a route that is no more goes by what is in force for its
// calls now.
func TestWaitersOfARouteThatIsGoneAreLetIn(t *testing.T) {
	for name, to := range map[string]string{"removed": "", "one with others": "z a", "one that limits nothing": "a"} {
		for _, what := range []string{"places", "tokens"} {
			t.Run(name+", "+what, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					c := preset.Standard()
					c.Routes = routesOf(1000, "z, a")
					if what == "places" {
						c.Routes[1].Config.Limit = limit.InFlightOptions{Max: 1, Queue: 5, Wait: 20 * time.Second}
					} else {
						c.Routes[1].Config.Rate = limit.RateOptions{PerSecond: 0.1, Burst: 1, Queue: 5, Wait: 25 * time.Second}
					}
					s := stackOf(t, c)
					h := holds(t, s)
					defer h.done()
					if n := h.more("/a", 3); n != 1 {
						t.Fatalf("%d calls at once", n)
					}
					c.Routes = routesOf(1000, to)
					for i := range c.Routes {
						c.Routes[i].Config.Rate.PerSecond = 1000
						if name == "one that limits nothing" {
							c.Routes[i].Config = preset.Config{}
						}
					}
					if _, err := s.Update(c); err != nil {
						t.Fatal(err)
					}
					time.Sleep(time.Second)
					if n := h.count("/a"); n != 3 {
						t.Errorf("%d of 3 calls are under way: the others wait by a limit that is not in force", n)
					}
				})
			})
		}
	}
}

// Of routes that become one, Update tells what has changed for the calls of each.
func TestUpdateTellsOfRoutesThatBecomeOne(t *testing.T) {
	c := preset.Standard()
	c.Routes = []preset.Route{attemptsOf(2, "/a"), attemptsOf(5, "/b")}
	s := stackOf(t, c)
	c.Routes = []preset.Route{attemptsOf(2, "/a", "/b")}
	want := []string{`routes["/a, /b"].match: /a -> "/a, /b"`, `routes["/a, /b"].match: /b -> "/a, /b"`, `routes["/a, /b"].retry.maxAttempts: 5 -> 2`}
	if changes, err := s.Update(c); err != nil || !slices.Equal(changes, want) {
		t.Errorf("%v, %q, want\n%q", err, changes, want)
	}
	c.Routes = []preset.Route{attemptsOf(3, "/b"), attemptsOf(2, "/a")}
	want = []string{`routes[/b].match: "/a, /b" -> /b`, "routes[/b].retry.maxAttempts: 2 -> 3", `routes[/a].match: "/a, /b" -> /a`}
	if changes, err := s.Update(c); err != nil || !slices.Equal(changes, want) {
		t.Errorf("%v, %q, want\n%q", err, changes, want)
	}
}
