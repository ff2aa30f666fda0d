package preset_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/discovery"
	"github.com/holdfast-go/holdfast/hedge"
	"github.com/holdfast-go/holdfast/holdfasttest"
	"github.com/holdfast-go/holdfast/interceptors/grpcclient"
	"github.com/holdfast-go/holdfast/interceptors/httpclient"
	"github.com/holdfast-go/holdfast/internal/scrape"
	"github.com/holdfast-go/holdfast/loadbalance"
	"github.com/holdfast-go/holdfast/observe"
	holdotel "github.com/holdfast-go/holdfast/observe/otel"
	holdprom "github.com/holdfast-go/holdfast/observe/prometheus"
	"github.com/holdfast-go/holdfast/preset"
)

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

// The state of a Stack is read, also after an Update.
func TestTheStateOfAStackIsRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, r := registered(t, holdprom.Options{MaxEndpoints: 1})
		source := new(discovery.Source)
		set := loadbalance.New(source, loadbalance.RoundRobin, loadbalance.Options{})
		defer set.Close()
		c := preset.Standard()
		c.Limit.Max = 7
		c.Retry.MaxAttempts = -1
		c.Breaker.ConsecutiveFailures, c.Breaker.FailureRatio = -1, -1
		c.Inner = []holdfast.Policy{set}
		stack, err := preset.NewStack(c)
		if err != nil {
			t.Fatal(err)
		}
		h := holdfast.Chain(m.Watch("c", stack)...)
		source.Publish(1, discovery.Endpoint{Addr: "a"}, discovery.Endpoint{Addr: "b"})
		synctest.Wait()
		script := &holdfasttest.Script{Steps: []holdfasttest.Step{{Err: errServer, Class: holdfast.Failure, Code: "503", Delay: time.Second}}}
		for range 10 {
			script.Do(t.Context(), h, holdfast.Call{Target: "t"})
		}
		source.Fail(errServer)
		go script.Do(t.Context(), h, holdfast.Call{Target: "u"})
		synctest.Wait()
		check(t, scraped(t, r), map[string]float64{
			"limit_max{client=c}":                                                7,
			"limit_in_flight{client=c,target=all}":                               1,
			"limit_waiting{client=c,target=all}":                                 0,
			"endpoints{client=c,health=ready,set=source}":                        1,
			"endpoints{client=c,health=ejected,set=source}":                      1,
			"ejections_total{client=c,enforced=false,rule=consecutive_failures}": 1,
			"ejections_total{client=c,enforced=true,rule=consecutive_failures}":  1,
			"discovery_endpoints{client=c,set=source}":                           2,
			"discovery_stale_seconds{client=c,set=source}":                       0,
			"discovery_updates_total{client=c,resolver=source,result=ok}":        1,
			"discovery_updates_total{client=c,resolver=source,result=error}":     1,
			"panic_picks_total{client=c,set=source}":                             0,
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
		c.Breaker.ConsecutiveFailures = 1
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

// The samples of docs/observe.md.
func TestAllThreeStandAroundEachOther(t *testing.T) {
	log := observe.NewLog(slog.Default(), observe.LogOptions{})
	metrics, err := holdprom.Register(prometheus.DefaultRegisterer, holdprom.Options{Exemplar: holdotel.TraceID})
	telemetry := holdotel.New(holdotel.Options{})

	policies := observe.Watch(log, preset.Standard().Policies()...) // nearest to the policies
	policies = metrics.Watch("users", policies...)
	policies = telemetry.Watch(policies...) // outermost, so that the others see its spans
	client := &http.Client{Transport: httpclient.Wrap(nil, policies...)}
	if err != nil {
		t.Fatal(err)
	}
	n, calls := 0.0, 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if calls++; calls == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer server.Close()
	resp, err := client.Get(server.URL) //nolint:noctx // loopback
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	client.CloseIdleConnections()
	families, err := prometheus.DefaultGatherer.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "holdfast_attempts_total" {
			for _, m := range f.GetMetric() {
				n += m.GetCounter().GetValue()
			}
		}
	}
	if n != 2 {
		t.Errorf("%v attempts", n)
	}
	_ = []any{
		loadbalance.Options{Opened: metrics.Pools("users")},
		grpcclient.Resolver("holdfast", metrics.Resolver("users", discovery.DNS("users.internal:443", discovery.DNSOptions{}))),
	}
}

// A policy per method shows its state as a Stack does.
func TestTheStateOfPoliciesPerMethodIsRead(t *testing.T) {
	m, r := registered(t, holdprom.Options{})
	p, err := parsed(t, perMethod).Policy(preset.Standard())
	if err != nil {
		t.Fatal(err)
	}
	h := holdfast.Chain(m.Watch("c", p)...)
	for range 5 {
		(&holdfasttest.Script{Steps: []holdfasttest.Step{{Err: errServer, Class: holdfast.Failure, Code: "UNKNOWN", After: -1}}}).
			Do(t.Context(), h, holdfast.Call{Target: "t", Method: "/s.S/Get"})
	}
	check(t, scraped(t, r), map[string]float64{
		"circuits{client=c,state=open,target=t}":           1,
		"circuit_changes_total{client=c,target=t,to=open}": 1,
	})
}

// A hedge that one method alone has is seen too.
func TestPoliciesPerMethodShowTheirHedges(t *testing.T) {
	p, err := parsed(t, `{"methodConfig": [
		{"name": [{"service": "s.S", "method": "Get"}], "hedgingPolicy": {"maxAttempts": 3, "hedgingDelay": "0.01s"}},
		{"name": [{"service": "s.S", "method": "List"}], "timeout": "1s"}]}`).Policy(preset.Standard())
	if err != nil {
		t.Fatal(err)
	}
	hedges, others := 0, map[holdfast.Policy]bool{}
	group, _ := p.(holdfast.Group).Inside()[0].(holdfast.Group)
	for _, inside := range group.Inside() {
		if h, ok := inside.(*hedge.Hedge); ok && h.Options().MaxHedges > 0 {
			hedges++
		}
		if others[inside] {
			t.Errorf("%T is there twice", inside)
		}
		others[inside] = true
	}
	if hedges != 1 {
		t.Errorf("%d hedges", hedges)
	}
}

// A door learns from a policy per method which endpoints are gone.
func TestPoliciesPerMethodTellOfDrainedEndpoints(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := new(discovery.Source)
		source.Publish(1, discovery.Endpoint{Addr: "a"}, discovery.Endpoint{Addr: "b"})
		set := loadbalance.New(source, nil, loadbalance.Options{})
		defer set.Close()
		base := preset.Standard()
		base.Inner = []holdfast.Policy{set}
		p, err := parsed(t, perMethod).Policy(base)
		if err != nil {
			t.Fatal(err)
		}
		var gone []string
		p.(interface{ OnDrained(func(string)) }).OnDrained(func(addr string) { gone = append(gone, addr) })
		synctest.Wait()
		source.Publish(2, discovery.Endpoint{Addr: "b"})
		synctest.Wait()
		if len(gone) != 1 || gone[0] != "a" {
			t.Errorf("%v", gone)
		}
	})
}

// A door learns from a Stack which endpoints are gone, also of a balancer that Update has
// brought, and of one that stays once.
func TestAStackTellsOfDrainedEndpointsAfterUpdate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		balancer := func() (*discovery.Source, *loadbalance.Set) {
			source := new(discovery.Source)
			source.Publish(1, discovery.Endpoint{Addr: "a"}, discovery.Endpoint{Addr: "b"})
			return source, loadbalance.New(source, nil, loadbalance.Options{})
		}
		_, first := balancer()
		defer first.Close()
		source, second := balancer()
		defer second.Close()
		c := preset.Standard()
		c.Inner = []holdfast.Policy{first}
		s, err := preset.NewStack(c)
		if err != nil {
			t.Fatal(err)
		}
		var gone []string
		s.OnDrained(func(addr string) { gone = append(gone, addr) })
		c.Inner = []holdfast.Policy{second}
		for range 2 {
			if _, err := s.Update(c); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		source.Publish(2, discovery.Endpoint{Addr: "b"})
		synctest.Wait()
		if len(gone) != 1 || gone[0] != "a" {
			t.Errorf("%v", gone)
		}
	})
}
