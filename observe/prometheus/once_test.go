package prometheus_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/breaker"
	"github.com/holdfast-go/holdfast/discovery"
	"github.com/holdfast-go/holdfast/hedge"
	"github.com/holdfast-go/holdfast/holdfasttest"
	"github.com/holdfast-go/holdfast/interceptors/httpclient"
	"github.com/holdfast-go/holdfast/limit"
	"github.com/holdfast-go/holdfast/loadbalance"
	"github.com/holdfast-go/holdfast/observe"
	holdprom "github.com/holdfast-go/holdfast/observe/prometheus"
	"github.com/holdfast-go/holdfast/retry"
)

// T89: a host, a method, a code or an endpoint that is no text, which a redirect may
// bring, panics neither in a call nor in a scrape.
func TestT89_LabelsThatAreNoText(t *testing.T) {
	m, r := registered(t, holdprom.Options{})
	base := &http.Transport{DialContext: (&holdfasttest.Network{}).DialContext} // where nobody listens
	c := &http.Client{Transport: httpclient.Wrap(base, m.Watch("\xffa", retry.New(retry.Options{InitialInterval: -1}), breaker.New(breaker.Options{}))...)}
	if resp, err := c.Get("http://%ff.test/"); err == nil {
		_ = resp.Body.Close()
		t.Error("there is no such host")
	}
	c.CloseIdleConnections()
	set := loadbalance.New(discovery.Static("\xfe:1"), nil, loadbalance.Options{})
	defer set.Close()
	h := holdfast.Chain(m.Watch("b", set, retry.New(retry.Options{InitialInterval: -1}))...)
	script := &holdfasttest.Script{Steps: []holdfasttest.Step{{Err: errDown, Class: holdfast.Failure, Code: "\xff"}}}
	script.Do(t.Context(), h, holdfast.Call{Target: "\xff", Method: "\xff", Repeatable: true})
	got := scraped(t, r)
	if got["attempts_total{class=failure,client=b,code=\uFFFD,kind=first,method=\uFFFD,target=\uFFFD}"] != 1 {
		t.Errorf("%v", got)
	}
	if got["endpoint_picks_total{client=b,endpoint=\uFFFD:1,set=static \uFFFD:1}"] < 1 {
		t.Errorf("%v", got)
	}
}

// T89: nor has a label the credentials of an endpoint.
func TestT89_NoSecretsInEndpoints(t *testing.T) {
	m, r := registered(t, holdprom.Options{})
	set := loadbalance.New(discovery.Static("me:sesame@10.0.0.1:80"), nil, loadbalance.Options{})
	defer set.Close()
	(&holdfasttest.Script{}).Do(t.Context(), holdfast.Chain(m.Watch("c", set)...), holdfast.Call{Target: "t", Method: "m"})
	got := scraped(t, r)
	for name := range got {
		if strings.Contains(name, "sesame") {
			t.Error(name)
		}
	}
	if got["endpoint_picks_total{client=c,endpoint=10.0.0.1:80,set=10.0.0.1:80}"] != 1 {
		t.Errorf("%v", got)
	}
}

// A stack is a policy within another, as a preset.Stack has them.
type stack struct{ holdfast.Policy }

func (s *stack) Inside() []holdfast.Policy { return []holdfast.Policy{s.Policy} }

// What several policies of a client share counts once.
func TestWhatIsSharedCountsOnce(t *testing.T) { synctest.Test(t, sharedCountsOnce) }

func sharedCountsOnce(t *testing.T) {
	m, r := registered(t, holdprom.Options{})
	budget := retry.NewBudget(retry.BudgetOptions{})
	source := new(discovery.Source)
	set := loadbalance.New(source, loadbalance.RoundRobin, loadbalance.Options{})
	defer set.Close()
	h := holdfast.Chain(m.Watch("c", &stack{set})...)
	m.Watch("c", &stack{set}, set)
	source.Publish(1, discovery.Endpoint{Addr: "a"}, discovery.Endpoint{Addr: "b"})
	for range 4 {
		(&holdfasttest.Script{}).Do(t.Context(), h, holdfast.Call{Target: "t", Method: "m"})
	}
	repeats := holdfast.Chain(m.Watch("b", retry.New(retry.Options{Budget: budget, InitialInterval: -1}))...)
	m.Watch("b", retry.New(retry.Options{Budget: budget, InitialInterval: -1}))
	calls := 0
	if _, err := holdfast.Do(t.Context(), repeats, holdfast.Call{Target: "t", Repeatable: true}, func(context.Context) (int, error) {
		if calls++; calls == 1 {
			return 0, errDown
		}
		return 1, nil
	}); err != nil {
		t.Fatal(err)
	}
	synctest.Wait() // the event of the update has arrived
	check(t, scraped(t, r), map[string]float64{
		"endpoints{client=c,health=ready,set=source}":                 2,
		"endpoint_picks_total{client=c,endpoint=a,set=source}":        2,
		"discovery_endpoints{client=c,set=source}":                    2,
		"discovery_updates_total{client=c,resolver=source,result=ok}": 1,
		"retry_budget_withdrawn_total{client=b,target=t}":             1,
		"retries_total{client=b,reason=error,target=t}":               1,
	})
}

// A policy that is nil does nothing, here too.
func TestNilPoliciesAreWatched(t *testing.T) {
	for _, p := range []holdfast.Policy{
		(*retry.Retry)(nil), (*breaker.Breaker)(nil), (*hedge.Hedge)(nil), (*limit.InFlight)(nil), (*limit.Rate)(nil),
		(*loadbalance.Set)(nil), (*observe.Observe)(nil),
	} {
		m, r := registered(t, holdprom.Options{})
		h := holdfast.Chain(observe.Watch(observe.NewLog(nil, observe.LogOptions{}), m.Watch("c", p)...)...)
		(&holdfasttest.Script{}).Do(t.Context(), h, holdfast.Call{Target: "t", Method: "m"})
		if got := scraped(t, r)["calls_total{class=success,client=c,code=success,method=m,target=t}"]; got != 1 {
			t.Errorf("%T: %v", p, scraped(t, r))
		}
		observe.Watch(observe.NewLog(nil, observe.LogOptions{}), p)
		httpclient.Wrap(nil, p)
	}
}

// An attempt that panics took as long as it did.
func TestAPanicTookItsTime(t *testing.T) {
	for name, exemplar := range map[string]func(context.Context) map[string]string{"": nil, "with exemplars": func(context.Context) map[string]string { return nil }} {
		m, r := registered(t, holdprom.Options{Exemplar: exemplar})
		h := holdfast.Chain(m.Watch("c")...)
		func() {
			defer func() { _ = recover() }()
			_, _ = holdfast.Do(t.Context(), h, holdfast.Call{Target: "t", Method: "m"}, func(context.Context) (int, error) {
				for start := time.Now(); time.Since(start) < time.Millisecond; {
				}
				panic(errors.New("x"))
			})
		}()
		families, err := r.Gather()
		if err != nil {
			t.Fatal(err)
		}
		sums := map[string]float64{}
		for _, f := range families {
			if strings.Contains(f.GetName(), "duration") {
				sums[f.GetName()] = f.GetMetric()[0].GetHistogram().GetSampleSum()
			}
		}
		call, attempt := sums["holdfast_call_duration_seconds"], sums["holdfast_attempt_duration_seconds"]
		if attempt < 0.001 || attempt > call {
			t.Errorf("%s: the attempt took %v s of the call's %v", name, attempt, call)
		}
	}
}
