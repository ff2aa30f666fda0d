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
	"github.com/holdfast-go/holdfast/limit"
	"github.com/holdfast-go/holdfast/loadbalance"
	holdprom "github.com/holdfast-go/holdfast/observe/prometheus"
	"github.com/holdfast-go/holdfast/preset"
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

// scraped are the values of the series, "name{a=b,c=d}" with the labels in order; of a
// histogram how many observations it has.
func scraped(t *testing.T, r prometheus.Gatherer) map[string]float64 {
	t.Helper()
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				labels = append(labels, l.GetName()+"="+l.GetValue())
			}
			name := strings.TrimPrefix(f.GetName(), "holdfast_") + "{" + strings.Join(labels, ",") + "}"
			switch {
			case m.GetCounter() != nil:
				values[name] = m.GetCounter().GetValue()
			case m.GetGauge() != nil:
				values[name] = m.GetGauge().GetValue()
			default:
				values[name] = float64(m.GetHistogram().GetSampleCount())
			}
		}
	}
	return values
}

func check(t *testing.T, got map[string]float64, want map[string]float64) {
	t.Helper()
	for name, v := range want {
		if g, there := got[name]; !there || g != v {
			t.Errorf("%s is %v (there: %v), want %v", name, g, there, v)
		}
	}
	if t.Failed() {
		for name, v := range got {
			t.Log(name, v)
		}
	}
}

// T90, T34: first attempts, retries, hedges and calls are counted apart, by what they
// came to; retries by reason, and by number with what they brought.
func TestT90_T34_CallsAndAttemptsAreCountedApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, r := registered(t, holdprom.Options{})
		again := retry.New(retry.Options{Base: -1, OverloadBase: -1})
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

func TestStatesAreRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, r := registered(t, holdprom.Options{Endpoints: 1})
		source := new(discovery.Source)
		set := loadbalance.New(source, loadbalance.RoundRobin)
		defer set.Close()
		c := preset.Standard()
		c.Limit.Max = 7
		c.Retry.Attempts = -1
		c.Breaker.Row, c.Breaker.Ratio = -1, -1
		c.Inner = []holdfast.Policy{set}
		stack, err := preset.NewStack(c)
		if err != nil {
			t.Fatal(err)
		}
		h := holdfast.Chain(m.Watch("c", stack)...)
		source.Publish(1, discovery.Endpoint{Addr: "a"}, discovery.Endpoint{Addr: "b"})
		synctest.Wait()
		script := &holdfasttest.Script{Steps: []holdfasttest.Step{{Err: errDown, Class: holdfast.Failure, Code: "503", Delay: time.Second}}}
		for range 10 {
			script.Do(t.Context(), h, holdfast.Call{Target: "t"})
		}
		source.Fail(errDown)
		go script.Do(t.Context(), h, holdfast.Call{Target: "u"})
		synctest.Wait()
		check(t, scraped(t, r), map[string]float64{
			"limit_max{client=c}":                                            7,
			"limit_in_flight{client=c,target=all}":                           1,
			"limit_waiting{client=c,target=all}":                             0,
			"endpoints{client=c,health=ready,set=source}":                    1,
			"endpoints{client=c,health=ejected,set=source}":                  1,
			"ejections_total{client=c,enforced=true,rule=row}":               1,
			"discovery_endpoints{client=c,set=source}":                       2,
			"discovery_stale_seconds{client=c,set=source}":                   0,
			"discovery_updates_total{client=c,resolver=source,result=ok}":    1,
			"discovery_updates_total{client=c,resolver=source,result=error}": 1,
			"panic_picks_total{client=c,set=source}":                         0,
		})
		time.Sleep(10 * time.Second)
		now := scraped(t, r)
		if now["discovery_stale_seconds{client=c,set=source}"] != 10 || now["discovery_age_seconds{client=c,set=source}"] < 10 {
			t.Error("discovery has no age")
		}
		if a, rest := now["endpoint_picks_total{client=c,endpoint=a,set=source}"], now["endpoint_picks_total{client=c,endpoint=other,set=source}"]; a == 0 || rest == 0 {
			t.Errorf("picks: %v and %v", a, rest)
		}
		// Updates keep being heard, and what is forgotten is not.
		c.Breaker.Row = 1
		if _, err := stack.Update(c); err != nil {
			t.Fatal(err)
		}
		script.Do(t.Context(), h, holdfast.Call{Target: "v"})
		check(t, scraped(t, r), map[string]float64{"circuit_changes_total{client=c,target=v,to=open}": 1})
		m.Forget("c")
		for name := range scraped(t, r) {
			if strings.HasPrefix(name, "circuits{") || strings.HasPrefix(name, "endpoints{") {
				t.Errorf("%s of a client that is forgotten", name)
			}
		}
	})
}

// T57: registering twice neither panics nor replaces anything, ours or the user's.
func TestT57_RegisteringTwiceIsHarmless(t *testing.T) {
	m, r := registered(t, holdprom.Options{})
	again, err := holdprom.Register(r, holdprom.Options{Targets: 5})
	if err != nil || again != m {
		t.Errorf("%p and %p: %v", m, again, err)
	}
	if other, err := holdprom.Register(r, holdprom.Options{Namespace: "mine"}); err != nil || other == m {
		t.Errorf("under another name: %v", err)
	}
	if other, err := holdprom.Register(r, holdprom.Options{Labels: map[string]string{"app": "x"}}); err == nil && other == m {
		t.Error("other labels are other metrics")
	}
	r = prometheus.NewPedanticRegistry()
	users := prometheus.NewGauge(prometheus.GaugeOpts{Name: "holdfast_calls_total", Help: "the user's own"})
	r.MustRegister(users)
	users.Set(7)
	if _, err := holdprom.Register(r, holdprom.Options{}); err == nil || !strings.Contains(err.Error(), "Namespace") {
		t.Errorf("a name that is taken: %v", err)
	}
	if got := scraped(t, r); len(got) != 1 || got["calls_total{}"] != 7 {
		t.Errorf("the user's own: %v", got)
	}
	// The same client twice, and two with one name: nothing is there twice, or it could
	// not be gathered.
	m, r = registered(t, holdprom.Options{})
	b := breaker.New(breaker.Options{Row: 1})
	h := holdfast.Chain(m.Watch("c", m.Watch("c", b)...)...)
	other := holdfast.Chain(m.Watch("c", breaker.New(breaker.Options{}), holdfast.PolicyFunc(nil), holdfast.PolicyFunc(nil), nil)...)
	for _, h := range []holdfast.Handler{h, other} {
		(&holdfasttest.Script{Steps: []holdfasttest.Step{{Err: errDown, Class: holdfast.Failure, Code: "503"}}}).Do(t.Context(), h, holdfast.Call{Target: "t"})
	}
	check(t, scraped(t, r), map[string]float64{
		"circuit_changes_total{client=c,target=t,to=open}": 1,
		"circuits{client=c,state=open,target=t}":           1,
		"circuits{client=c,state=closed,target=t}":         1,
	})
}

// T89: however many hosts and methods there are, the series are bounded, and hold no
// secret.
func TestT89_SeriesAreBounded(t *testing.T) {
	m, r := registered(t, holdprom.Options{})
	h := holdfast.Chain(m.Watch("c", retry.New(retry.Options{Base: -1}), breaker.New(breaker.Options{}), limit.NewRate(limit.RateOptions{PerSecond: 1e9}))...)
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range 2500 {
				n := g*2500 + i
				script := &holdfasttest.Script{Steps: []holdfasttest.Step{{Err: errDown, Class: holdfast.Failure, Code: fmt.Sprint(n)}}}
				script.Do(context.Background(), h, holdfast.Call{Target: fmt.Sprintf("me:sesame@host%d?token=sesame", n), Method: fmt.Sprint("M", n), Repeatable: true})
			}
		})
	}
	wg.Wait()
	got := scraped(t, r)
	if len(got) > 20_000 {
		t.Errorf("%d series", len(got))
	}
	calls, targets, methods := 0.0, map[string]bool{}, map[string]bool{}
	for name, v := range got {
		if strings.Contains(name, "sesame") {
			t.Fatal(name)
		}
		for _, l := range strings.Split(strings.Trim(name[strings.Index(name, "{"):], "{}"), ",") {
			switch k, v, _ := strings.Cut(l, "="); k {
			case "target":
				targets[v] = true
			case "method":
				methods[v] = true
			}
		}
		if strings.HasPrefix(name, "calls_total{") {
			calls += v
		}
	}
	if calls != 10_000 || len(targets) != 101 || len(methods) != 101 || !targets["other"] || !methods["other"] {
		t.Errorf("%v calls, %d targets, %d methods", calls, len(targets), len(methods))
	}
}

// The names are as Prometheus has them.
func TestNamesAreAsTheyShouldBe(t *testing.T) {
	m, r := registered(t, holdprom.Options{})
	traffic(t, m)
	problems, err := testutil.GatherAndLint(r)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

// traffic has something counted in every metric.
func traffic(t *testing.T, m *holdprom.Metrics) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		set := loadbalance.With(discovery.Static("a", "b", "c"), nil, loadbalance.Options{Eject: loadbalance.EjectOptions{Row: 1}})
		defer set.Close()
		again := retry.New(retry.Options{Base: -1})
		h := holdfast.Chain(m.Watch("c", limit.NewInFlight(limit.InFlightOptions{}), again, hedge.New(hedge.Options{Samples: -1, Share: -1, Budget: again.Budget()}), breaker.New(breaker.Options{}), set)...)
		for i := range 40 {
			steps := []holdfasttest.Step{{Delay: time.Duration(i%5) * 20 * time.Millisecond, Code: "200"}, {Err: errDown, Class: holdfast.Failure, Code: "503"}, {Err: errDown, Class: holdfast.Failure, Code: "503"}}
			if i > 20 {
				steps = steps[1:]
			}
			(&holdfasttest.Script{Steps: steps}).Do(t.Context(), h, holdfast.Call{Target: "t", Method: "GET", Repeatable: true})
		}
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

// What gRPC's balancers make is watched while it is open, and its resolver's answers
// have an age.
func TestPoolsAndResolversOfOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, r := registered(t, holdprom.Options{})
		p := loadbalance.NewPool(nil, loadbalance.Options{Opened: m.Pools("g")})
		p.Update([]discovery.Endpoint{{Addr: "a"}, {Addr: "b"}})
		source := new(discovery.Source)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			for range m.Resolver("g", source).Watch(ctx) {
			}
		}()
		synctest.Wait()
		source.Publish(1, discovery.Endpoint{Addr: "a"})
		synctest.Wait()
		time.Sleep(3 * time.Second)
		source.Publish(2)
		synctest.Wait()
		time.Sleep(4 * time.Second)
		check(t, scraped(t, r), map[string]float64{
			"endpoints{client=g,health=ready,set=pool}":                      2,
			"discovery_age_seconds{client=g,set=source}":                     7,
			"discovery_stale_seconds{client=g,set=source}":                   4,
			"discovery_endpoints{client=g,set=source}":                       1,
			"discovery_updates_total{client=g,resolver=source,result=error}": 1,
		})
		p.Close()
		if _, there := scraped(t, r)["endpoints{client=g,health=ready,set=pool}"]; there {
			t.Error("a pool that is closed is still there")
		}
		cancel()
		<-done
		poll := discovery.Poll(func(context.Context) ([]discovery.Endpoint, error) { return nil, nil }, discovery.PollOptions{})
		if _, ok := m.Resolver("g", poll).(discovery.Refresher); !ok {
			t.Error("what can look again can no longer")
		}
	})
}

func TestCountingKeepsTheContract(t *testing.T) {
	m, _ := registered(t, holdprom.Options{})
	for i := range 2 {
		holdfasttest.TestPolicy(t, func() holdfast.Policy {
			all := m.Watch("c", nil)
			return all[2*i]
		})
	}
}
