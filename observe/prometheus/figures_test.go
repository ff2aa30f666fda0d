package prometheus_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/breaker"
	"github.com/holdfast-go/holdfast/holdfasttest"
	holdprom "github.com/holdfast-go/holdfast/observe/prometheus"
)

// gauged is a policy of somebody else's, with figures of its own.
type gauged struct {
	figures []holdfast.Figure
	inner   []holdfast.Policy
}

func (g *gauged) Wrap(next holdfast.Handler) holdfast.Handler { return next }
func (g *gauged) Inside() []holdfast.Policy                   { return g.inner }
func (g *gauged) Figures(yield func(holdfast.Figure) bool) {
	for _, f := range g.figures {
		if !yield(f) {
			return
		}
	}
}

func tenants(name string, v float64) holdfast.Figure {
	return holdfast.Figure{Name: "tenant_calls", Help: "Calls of a tenant.", Labels: map[string]string{"tenant": name}, Value: v}
}

// The figures of a policy that nobody here knows show by themselves, also within groups.
func TestFiguresOfAnyPolicyShow(t *testing.T) {
	m, r := registered(t, holdprom.Options{Labels: map[string]string{"app": "x"}})
	late := &gauged{}
	m.Watch("c", &gauged{
		figures: []holdfast.Figure{
			tenants("a", 3), {Name: "tenants", Value: 2}, {Name: "evicted_total", Kind: holdfast.Counter, Value: 7},
			{Name: "room", Labels: map[string]string{"target": "t", "state": "free"}, Value: math.Inf(1)},
		},
		inner: []holdfast.Policy{nil, (*gauged)(nil), &gauged{inner: []holdfast.Policy{late}}},
	})
	check(t, scraped(t, r), map[string]float64{
		"tenant_calls{app=x,client=c,tenant=a}":    3,
		"tenants{app=x,client=c}":                  2,
		"evicted_total{app=x,client=c}":            7,
		"room{app=x,client=c,state=free,target=t}": math.Inf(1),
	})
	late.figures = []holdfast.Figure{tenants("b", 1)}
	check(t, scraped(t, r), map[string]float64{"tenant_calls{app=x,client=c,tenant=b}": 1})
	m.Forget("c")
	if got := scraped(t, r); len(got) != 2 { // the process'
		t.Errorf("%v", got)
	}
}

// A group that holds itself is read all the same, and counts once.
func TestAGroupWithinItself(t *testing.T) {
	m, r := registered(t, holdprom.Options{})
	g := &gauged{figures: []holdfast.Figure{{Name: "held", Value: 1}}}
	g.inner = []holdfast.Policy{g, g}
	m.Watch("c", g)
	check(t, scraped(t, r), map[string]float64{"held{client=c}": 1})
}

// A figure that cannot be shown is left out, and says so; all others are there, at each scrape.
func TestAFigureThatCannotBeShownIsLeftOut(t *testing.T) {
	m, r := registered(t, holdprom.Options{Labels: map[string]string{"app": "x"}})
	label := func(names ...string) map[string]string {
		l := map[string]string{}
		for _, n := range names {
			l[n] = "v"
		}
		return l
	}
	g := &gauged{figures: []holdfast.Figure{
		tenants("a", 1), tenants("nobody", math.NaN()),
		{Name: "tenant_calls", Value: 1},
		{Name: "tenant_calls", Labels: label("target"), Value: 1},
		{Name: "tenant_calls", Labels: label("tenant", "target"), Value: 1},
		{Name: "tenant_calls", Kind: holdfast.Counter, Labels: label("tenant"), Value: 1},
		{Name: "tenant_calls_total", Kind: holdfast.Counter, Labels: label("tenant"), Value: 1},
		{Name: "", Value: 1}, {Name: "not a name", Value: 1}, {Name: "\xff", Value: 1}, {Name: "_x", Value: 1},
		{Name: "odd", Kind: 99},
		{Name: "labels_client", Labels: label("client")}, {Name: "labels_app", Labels: label("app")},
		{Name: "labels_odd", Labels: label("a b")}, {Name: "labels_reserved", Labels: label("__a")}, {Name: "labels_three", Labels: label("a", "b", "c")},
		{Name: "calls_total", Kind: holdfast.Counter}, {Name: "call_duration_seconds"}, {Name: "call_duration_seconds_count"}, {Name: "process_pauses_total"},
		{Name: "figures_left_out"},
		tenants("b", 2),
	}}
	m.Watch("c", g)
	for range 2 {
		got := scraped(t, r)
		check(t, got, map[string]float64{
			"tenant_calls{app=x,client=c,tenant=a}": 1,
			"tenant_calls{app=x,client=c,tenant=b}": 2,

			"figures_left_out{app=x,client=c,figure=tenant_calls,reason=labels}":               3,
			"figures_left_out{app=x,client=c,figure=tenant_calls,reason=kind}":                 1,
			"figures_left_out{app=x,client=c,figure=tenant_calls_total,reason=taken}":          1,
			"figures_left_out{app=x,client=c,figure=,reason=name}":                             1,
			"figures_left_out{app=x,client=c,figure=not a name,reason=name}":                   1,
			"figures_left_out{app=x,client=c,figure=\uFFFD,reason=name}":                       1,
			"figures_left_out{app=x,client=c,figure=_x,reason=name}":                           1,
			"figures_left_out{app=x,client=c,figure=odd,reason=kind}":                          1,
			"figures_left_out{app=x,client=c,figure=labels_client,reason=labels}":              1,
			"figures_left_out{app=x,client=c,figure=labels_app,reason=labels}":                 1,
			"figures_left_out{app=x,client=c,figure=labels_odd,reason=labels}":                 1,
			"figures_left_out{app=x,client=c,figure=labels_reserved,reason=labels}":            1,
			"figures_left_out{app=x,client=c,figure=labels_three,reason=labels}":               1,
			"figures_left_out{app=x,client=c,figure=calls_total,reason=taken}":                 1,
			"figures_left_out{app=x,client=c,figure=call_duration_seconds,reason=taken}":       1,
			"figures_left_out{app=x,client=c,figure=process_pauses_total,reason=taken}":        1,
			"figures_left_out{app=x,client=c,figure=figures_left_out,reason=labels}":           1,
			"figures_left_out{app=x,client=c,figure=call_duration_seconds_count,reason=taken}": 1,
		})
		if len(got) != 2+2+18 {
			t.Errorf("%d series: %v", len(got), got)
		}
	}
}

// T89: neither the values of a label nor the names of figures are without a bound, whoever makes
// them up; none has credentials. What is "other" is put together as the kind says.
func TestT89_FiguresAreBounded(t *testing.T) {
	m, r := registered(t, holdprom.Options{MaxEndpoints: 3})
	g := &gauged{}
	for i := range 10_000 {
		for _, f := range []holdfast.Figure{
			{Name: "sums", Value: float64(i)}, {Name: "counts_total", Kind: holdfast.Counter, Value: float64(i)},
			{Name: "least", Kind: holdfast.Least, Value: float64(-i)}, {Name: "most", Kind: holdfast.Most, Value: float64(i)},
		} {
			f.Labels = map[string]string{"target": fmt.Sprintf("me:sesame@host%d?token=sesame", i)}
			g.figures = append(g.figures, f)
		}
		g.figures = append(g.figures, holdfast.Figure{Name: fmt.Sprint("name", i), Labels: map[string]string{fmt.Sprint("label", i): "v"}},
			holdfast.Figure{Name: "kept", Keys: "tenant", Labels: map[string]string{"target": fmt.Sprint("t", i)}, Value: 1},
			holdfast.Figure{Name: "lost", Keys: "tenant", Labels: map[string]string{"target": fmt.Sprint("u", i)}, Value: 1}, // among the same keys
			holdfast.Figure{Name: "sent", Labels: map[string]string{"set": "s", "endpoint": fmt.Sprintf("me:sesame@%d", i)}, Value: 1})
	}
	m.Watch("c", g)
	for range 2 {
		got := scraped(t, r)
		check(t, got, map[string]float64{
			"sums{client=c,target=host7}":                         7,
			"sums{client=c,target=other}":                         (100 + 9999) * 9900 / 2,
			"counts_total{client=c,target=other}":                 (100 + 9999) * 9900 / 2,
			"least{client=c,target=other}":                        -9999,
			"most{client=c,target=other}":                         9999,
			"sent{client=c,endpoint=2,set=s}":                     1,
			"sent{client=c,endpoint=other,set=s}":                 9997,
			"figures_left_out{client=c,figure=other,reason=many}": 10_000 - 193 - 100,
			"kept{client=c,target=t0}":                            1,
			"kept{client=c,target=other}":                         10_000 - 50,
			"lost{client=c,target=other}":                         10_000 - 50,
		})
		if len(got) > 1000 {
			t.Errorf("%d series", len(got))
		}
		for name := range got {
			if strings.Contains(name, "sesame") {
				t.Fatal(name)
			}
		}
	}
	m, r = registered(t, holdprom.Options{MaxEndpoints: -1})
	m.Watch("c", g)
	for name := range scraped(t, r) {
		if strings.Contains(name, "endpoint=") {
			t.Error(name)
		}
	}
}

// An endpoint that has a name of its own keeps it, however many there are, and the same ones have
// one in all figures of a set.
func TestAnEndpointKeepsItsName(t *testing.T) {
	m, r := registered(t, holdprom.Options{MaxEndpoints: 2})
	var figures []holdfast.Figure
	want := map[string]float64{}
	for i := range 40 { // whose labels come in any order
		for _, endpoint := range []string{"a", "b", "c", "a"} {
			figures = append(figures, holdfast.Figure{Name: fmt.Sprint("sent", i), Labels: map[string]string{"set": "s", "endpoint": endpoint}, Value: 1})
			if i > 0 { // which finds others there
				figures[len(figures)-1].Labels["endpoint"] = string(endpoint[0] + 1)
			}
		}
		series := func(endpoint string) string { return fmt.Sprintf("sent%d{client=c,endpoint=%s,set=s}", i, endpoint) }
		if i == 0 {
			want[series("a")], want[series("b")], want[series("other")] = 2, 1, 1
		} else {
			want[series("b")], want[series("other")] = 2, 2 // c and d
		}
	}
	m.Watch("c", &gauged{figures: figures})
	check(t, scraped(t, r), want)
}

// Keys of a policy's own take no place from targets.
func TestKeysTakeNoPlaceFromTargets(t *testing.T) {
	m, r := registered(t, holdprom.Options{MaxTargets: 1})
	figure := func(name, keys, target string) holdfast.Figure {
		return holdfast.Figure{Name: name, Keys: keys, Labels: map[string]string{"target": target}, Value: 1}
	}
	m.Watch("c", &gauged{figures: []holdfast.Figure{figure("x", "circuit", "key"), figure("y", "tenant", "bob"), figure("z", "", "users"), figure("z", "", "orders")}})
	check(t, scraped(t, r), map[string]float64{"x{client=c,target=key}": 1, "y{client=c,target=bob}": 1, "z{client=c,target=users}": 1, "z{client=c,target=other}": 1})
}

// Methods and sets are bounded as those of calls are, with which they share their places.
func TestMethodsAndSetsShareThePlacesOfCalls(t *testing.T) {
	m, r := registered(t, holdprom.Options{MaxTargets: 1, MaxMethods: 1})
	h := holdfast.Chain(m.Watch("c", &gauged{figures: []holdfast.Figure{
		{Name: "by_method", Labels: map[string]string{"method": "get"}, Value: 1}, {Name: "by_method", Labels: map[string]string{"method": "put"}, Value: 1},
		{Name: "by_set", Labels: map[string]string{"set": "a"}, Value: 1}, {Name: "by_set", Labels: map[string]string{"set": "b"}, Value: 1},
	}})...)
	(&holdfasttest.Script{}).Do(t.Context(), h, holdfast.Call{Target: "t", Method: "put"})
	check(t, scraped(t, r), map[string]float64{
		"by_method{client=c,method=put}": 1, "by_method{client=c,method=other}": 1,
		"by_set{client=c,set=a}": 1, "by_set{client=c,set=other}": 1,
	})
}

// A help that is no text is made one: it would fail the scrape.
func TestAHelpIsText(t *testing.T) {
	m, r := registered(t, holdprom.Options{})
	m.Watch("c", &gauged{figures: []holdfast.Figure{{Name: "odd_help", Help: "\xff", Value: 1}}})
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if !utf8.ValidString(f.GetHelp()) {
			t.Errorf("%s: %q", f.GetName(), f.GetHelp())
		}
	}
}

// What has one owner counts once for a client, and for each client.
func TestWhatHasOneOwnerCountsOnce(t *testing.T) {
	m, r := registered(t, holdprom.Options{})
	owner := new(int)
	of := func(owner any, name string) *gauged {
		f := holdfast.Figure{Name: name, Value: 1, Owner: owner}
		return &gauged{figures: []holdfast.Figure{f, f}}
	}
	twice := of(nil, "own")
	m.Watch("c", of(owner, "shared"), of(owner, "shared"), of(new(int), "apart"), of(new(int), "apart"), twice, &gauged{inner: []holdfast.Policy{twice}},
		of([]int{}, "odd"), of([]int{}, "odd"))
	m.Watch("d", of(owner, "shared"))
	check(t, scraped(t, r), map[string]float64{"shared{client=c}": 2, "shared{client=d}": 2, "apart{client=c}": 4, "own{client=c}": 2, "odd{client=c}": 4})
}

// Scrapes at the same time, of policies that come and go.
func TestFiguresAreReadByMany(t *testing.T) {
	m, r := registered(t, holdprom.Options{})
	pools := m.Pools("c")
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for n := range 50 {
				closed := pools(&gauged{figures: []holdfast.Figure{{Name: fmt.Sprint("n", i), Value: 1}}})
				m.Watch("c", &gauged{figures: []holdfast.Figure{tenants(fmt.Sprint(i, n), 1)}})
				scraped(t, r)
				closed()
			}
		})
	}
	wg.Wait()
	got := scraped(t, r)
	if len(got) != 2+100+1 || slices.ContainsFunc([]string{"n0", "n1", "n2", "n3"}, func(n string) bool { return got[n+"{client=c}"] != 0 }) {
		t.Errorf("%d: %v", len(got), got)
	}
}

// What is told of a circuit's changes and of its state has the same name, also past the bound.
func TestCircuitsAndTheirChangesAgree(t *testing.T) {
	m, r := registered(t, holdprom.Options{MaxTargets: 1})
	b := breaker.New(breaker.Options{})
	m.Watch("c", b)
	for i := range 20 {
		b.Isolate(fmt.Sprint("key", i))
	}
	check(t, scraped(t, r), map[string]float64{
		"circuit_changes_total{client=c,target=key0,to=isolated}":  1,
		"circuit_changes_total{client=c,target=other,to=isolated}": 19,
		"circuits{client=c,state=isolated,target=key0}":            1,
		"circuits{client=c,state=isolated,target=other}":           19,
	})
}
