package prometheus_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/breaker"
	"github.com/holdfast-go/holdfast/discovery"
	"github.com/holdfast-go/holdfast/hedge"
	"github.com/holdfast-go/holdfast/holdfasttest"
	"github.com/holdfast-go/holdfast/internal/scrape"
	"github.com/holdfast-go/holdfast/limit"
	"github.com/holdfast-go/holdfast/loadbalance"
	holdprom "github.com/holdfast-go/holdfast/observe/prometheus"
	"github.com/holdfast-go/holdfast/retry"
)

var errDown = errors.New("down")

func registered(t *testing.T, o holdprom.Options) (*holdprom.Metrics, *prometheus.Registry) {
	t.Helper()
	r := prometheus.NewPedanticRegistry()
	m, err := holdprom.Register(r, o)
	if err != nil {
		t.Fatal(err)
	}
	return m, r
}

var scraped, check = scrape.Values, scrape.Check

// T90, T34: first attempts, retries, hedges and calls are counted apart, by what they
// came to; retries by reason, and by number with what they brought.
func TestT90_T34_CallsAndAttemptsAreCountedApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, r := registered(t, holdprom.Options{})
		again := retry.New(retry.Options{InitialInterval: -1, OverloadInterval: -1})
		h := holdfast.Chain(m.Watch("c", again)...)
		call := holdfast.Call{Target: "users", Method: "GET", Repeatable: true}
		for _, steps := range [][]holdfasttest.Step{
			{{Code: "200"}},
			{{Err: errDown, Class: holdfast.Failure, Code: "503"}, {Code: "200"}},
			{{Err: errDown, Class: holdfast.Failure, Code: "503"}, {Err: errDown, Class: holdfast.Overload, Code: "429"}, {Err: errDown, Class: holdfast.Failure, Code: "503"}},
			{{Err: errDown, Class: holdfast.Failure, Code: "503", After: holdfast.Never}},
		} {
			(&holdfasttest.Script{Steps: steps}).Do(t.Context(), h, call)
		}
		hedged := holdfast.Chain(m.Watch("h", hedge.New(hedge.Options{Delay: time.Second, Share: -1}))...)
		(&holdfasttest.Script{Steps: []holdfasttest.Step{{Delay: time.Hour}, {Code: "200"}}}).Do(t.Context(), hedged, call)
		check(t, scraped(t, r), map[string]float64{
			"calls_total{class=success,client=c,code=200,method=GET,target=users}":                      2,
			"calls_total{class=failure,client=c,code=503,method=GET,target=users}":                      2,
			"attempts_total{class=success,client=c,code=200,kind=first,method=GET,target=users}":        1,
			"attempts_total{class=failure,client=c,code=503,kind=first,method=GET,target=users}":        3,
			"attempts_total{class=success,client=c,code=200,kind=retry,method=GET,target=users}":        1,
			"attempts_total{class=overload,client=c,code=429,kind=retry,method=GET,target=users}":       1,
			"attempts_total{class=failure,client=c,code=503,kind=retry,method=GET,target=users}":        1,
			"retries_total{client=c,reason=503,target=users}":                                           2,
			"retries_total{client=c,reason=429,target=users}":                                           1,
			"retries_stopped_total{client=c,reason=attempts,target=users}":                              1,
			"retries_stopped_total{client=c,reason=told,target=users}":                                  1,
			"retry_outcomes_total{attempt=2,class=success,client=c,target=users}":                       1,
			"retry_outcomes_total{attempt=2,class=overload,client=c,target=users}":                      1,
			"retry_outcomes_total{attempt=3,class=failure,client=c,target=users}":                       1,
			"call_duration_seconds{client=c,method=GET,target=users}":                                   4,
			"attempt_duration_seconds{client=c,method=GET,target=users}":                                7,
			"retry_budget_withdrawn_total{client=c,target=users}":                                       3,
			"hedges_total{client=h,target=users}":                                                       1,
			"hedges_won_total{client=h,target=users}":                                                   1,
			"attempts_total{class=success,client=h,code=200,kind=hedge,method=GET,target=users}":        1,
			"attempts_total{class=ignored,client=h,code=superseded,kind=first,method=GET,target=users}": 1,
		})
	})
}

// The state of a circuit is true without a call: open, and half-open once its time is
// over.
func TestT51_TheStateIsTrueWithoutACall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, r := registered(t, holdprom.Options{})
		h := holdfast.Chain(m.Watch("c", breaker.New(breaker.Options{}))...)
		for range 7 {
			(&holdfasttest.Script{Steps: []holdfasttest.Step{{Err: errDown, Class: holdfast.Failure, Code: "503"}}}).Do(t.Context(), h, holdfast.Call{Target: "t", Method: "GET"})
		}
		check(t, scraped(t, r), map[string]float64{
			"circuits{client=c,state=open,target=t}":                                         1,
			"circuits{client=c,state=closed,target=t}":                                       0,
			"circuit_changes_total{client=c,target=t,to=open}":                               1,
			"circuit_rejected_total{client=c,target=t}":                                      2,
			"rejections_total{client=c,policy=breaker,reason=open,target=t}":                 2,
			"calls_total{class=ignored,client=c,code=circuit_open,method=GET,target=t}":      2,
			"attempts_total{class=failure,client=c,code=503,kind=first,method=GET,target=t}": 5,
		})
		time.Sleep(time.Minute)
		check(t, scraped(t, r), map[string]float64{
			"circuits{client=c,state=open,target=t}":      0,
			"circuits{client=c,state=half-open,target=t}": 1,
		})
	})
}

// T89: however many hosts and methods there are, the series are bounded, and hold no
// secret.
func TestT89_SeriesAreBounded(t *testing.T) {
	m, r := registered(t, holdprom.Options{})
	h := holdfast.Chain(m.Watch("c", retry.New(retry.Options{InitialInterval: -1}), breaker.New(breaker.Options{}), limit.NewRate(limit.RateOptions{PerSecond: 1e9}))...)
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range 2500 {
				n := g*2500 + i
				script := &holdfasttest.Script{Steps: []holdfasttest.Step{{Err: errDown, Class: holdfast.Failure, Code: holdfast.Code(fmt.Sprint(n))}}}
				script.Do(context.Background(), h, holdfast.Call{Target: fmt.Sprintf("me:sesame@host%d?token=sesame", n), Method: fmt.Sprint("M", n), Repeatable: true})
			}
		})
	}
	wg.Wait()
	got := scraped(t, r)
	if len(got) > 20_000 {
		t.Errorf("%d series", len(got))
	}
	calls, targets, methods, codes := 0.0, map[string]bool{}, map[string]bool{}, 0
	for name, v := range got {
		if strings.Contains(name, "sesame") {
			t.Fatal(name)
		}
		_, list, _ := strings.Cut(strings.TrimSuffix(name, "}"), "{")
		for _, l := range strings.Split(list, ",") {
			switch k, v, _ := strings.Cut(l, "="); k {
			case "target":
				if !strings.HasPrefix(name, "circuit") { // whose keys have a bound of their own
					targets[v] = true
				}
			case "method":
				methods[v] = true
			}
		}
		if strings.HasPrefix(name, "calls_total{") {
			calls += v
			if strings.Contains(name, "method=other,target=other") {
				codes++
			}
		}
	}
	if codes > 42 {
		t.Errorf("%d codes", codes)
	}
	if calls != 10_000 || len(targets) != 101 || len(methods) != 101 || !targets["other"] || !methods["other"] {
		t.Errorf("%v calls, %d targets, %d methods", calls, len(targets), len(methods))
	}
}

// The names are as Prometheus has them.
func TestNamesAreAsTheyShouldBe(t *testing.T) {
	m, r := registered(t, holdprom.Options{})
	traffic(t, m, func() {})
	problems, err := testutil.GatherAndLint(r)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

// traffic has something counted in every metric, and then runs then.
func traffic(t *testing.T, m *holdprom.Metrics, then func()) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		set := loadbalance.New(discovery.Static("a", "b", "c"), nil, loadbalance.Options{Eject: loadbalance.EjectOptions{ConsecutiveFailures: 1}})
		defer set.Close()
		again := retry.New(retry.Options{InitialInterval: -1})
		h := holdfast.Chain(m.Watch("c", limit.NewInFlight(limit.InFlightOptions{}), again, hedge.New(hedge.Options{MinSamples: -1, Share: -1, Budget: again.Budget()}), breaker.New(breaker.Options{}), limit.NewRate(limit.RateOptions{PerSecond: 1000}), set)...)
		for i := range 40 {
			steps := []holdfasttest.Step{{Delay: time.Duration(i%5) * 20 * time.Millisecond, Code: "200"}, {Err: errDown, Class: holdfast.Failure, Code: "503"}, {Err: errDown, Class: holdfast.Failure, Code: "503"}}
			if i > 20 {
				steps = steps[1:]
			}
			(&holdfasttest.Script{Steps: steps}).Do(t.Context(), h, holdfast.Call{Target: "t", Method: "GET", Repeatable: true})
		}
		then()
	})
}

// Histograms are classic and native; an exemplar is there where a trace is.
func TestHistogramsAndExemplars(t *testing.T) {
	type traced struct{}
	m, r := registered(t, holdprom.Options{Exemplar: func(ctx context.Context) map[string]string {
		switch id := ctx.Value(traced{}); id {
		case nil:
			return nil
		default:
			return map[string]string{"trace_id": id.(string)}
		}
	}})
	h := holdfast.Chain(m.Watch("c")...)
	for _, id := range []string{"", "4bf92f3577b34da6a3ce929d0e0e4736", strings.Repeat("too long ", 100)} {
		ctx := t.Context()
		if id != "" {
			ctx = context.WithValue(ctx, traced{}, id)
		}
		(&holdfasttest.Script{}).Do(ctx, h, holdfast.Call{Target: "t", Method: "GET"})
	}
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != "holdfast_call_duration_seconds" {
			continue
		}
		histogram := f.GetMetric()[0].GetHistogram()
		exemplars := 0
		for _, b := range histogram.GetBucket() {
			if b.GetExemplar() != nil {
				exemplars++
			}
		}
		if len(histogram.GetBucket()) != 14 || histogram.Schema == nil || histogram.GetSampleCount() != 3 || exemplars != 1 {
			t.Errorf("%d buckets, schema %v, %d exemplars", len(histogram.GetBucket()), histogram.Schema, exemplars)
		}
		return
	}
	t.Error("no histogram")
}

// Pairs of a target and a method are bounded too, and what never got to the transport
// is no attempt.
func TestT89_PairsAreBounded(t *testing.T) {
	m, r := registered(t, holdprom.Options{})
	h := holdfast.Chain(m.Watch("c")...)
	for i := range 10_000 {
		(&holdfasttest.Script{}).Do(t.Context(), h, holdfast.Call{Target: fmt.Sprint(i / 100), Method: fmt.Sprint(i % 100)})
	}
	pairs := 0
	for name := range scraped(t, r) {
		if strings.HasPrefix(name, "call_duration_seconds{") {
			pairs++
		}
	}
	if pairs != 1001 {
		t.Errorf("%d pairs", pairs)
	}
	m, r = registered(t, holdprom.Options{})
	refuse := holdfast.PolicyFunc(func(holdfast.Handler) holdfast.Handler {
		return func(context.Context, *holdfast.Call) holdfast.Result {
			return holdfast.Result{Err: errDown, Code: "refused"}
		}
	})
	all := m.Watch("c")
	h = holdfast.Chain(all[0], all[1], refuse)
	(&holdfasttest.Script{}).Do(t.Context(), h, holdfast.Call{Target: "t", Method: "GET"})
	got := scraped(t, r)
	if got["calls_total{class=ignored,client=c,code=refused,method=GET,target=t}"] != 1 {
		t.Errorf("%v", got)
	}
	for name := range got {
		if strings.HasPrefix(name, "attempts_total") {
			t.Errorf("%s", name)
		}
	}
}
