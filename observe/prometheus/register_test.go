package prometheus_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/breaker"
	"github.com/holdfast-go/holdfast/discovery"
	"github.com/holdfast-go/holdfast/holdfasttest"
	"github.com/holdfast-go/holdfast/loadbalance"
	holdprom "github.com/holdfast-go/holdfast/observe/prometheus"
)

// T57: registering twice neither panics nor replaces anything, ours or the user's.
func TestT57_RegisteringTwiceIsHarmless(t *testing.T) {
	m, r := registered(t, holdprom.Options{})
	again, err := holdprom.Register(r, holdprom.Options{MaxTargets: 5})
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
	b := breaker.New(breaker.Options{ConsecutiveFailures: 1})
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

// Who is forgotten is no longer listened to.
func TestTheForgottenAreNotListenedTo(t *testing.T) {
	m, r := registered(t, holdprom.Options{})
	b := breaker.New(breaker.Options{})
	h := holdfast.Chain(m.Watch("c", b)...)
	m.Forget("c")
	m.Forget("who?")
	b.Isolate("t")
	(&holdfasttest.Script{}).Do(t.Context(), h, holdfast.Call{Target: "t", Method: "GET"})
	got := scraped(t, r)
	for name := range got {
		if strings.HasPrefix(name, "circuit") {
			t.Errorf("%s", name)
		}
	}
	if got["calls_total{class=ignored,client=c,code=circuit_open,method=GET,target=t}"] != 1 {
		t.Errorf("its calls are no longer counted: %v", got)
	}
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

// Of several resolvers of one name the oldest answer counts, and the endpoints of all; whoever has
// seen enough answers is given no more.
func TestResolversOfOneName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, r := registered(t, holdprom.Options{})
		for i, endpoints := range [][]discovery.Endpoint{{{Addr: "a"}}, {{Addr: "b"}, {Addr: "c"}}} {
			source := new(discovery.Source)
			source.Publish(1, endpoints...)
			for got := range m.Resolver("g", source).Watch(t.Context()) {
				if len(got) != 1+i {
					t.Errorf("%v", got)
				}
				break
			}
			time.Sleep(3 * time.Second)
		}
		check(t, scraped(t, r), map[string]float64{
			"discovery_age_seconds{client=g,set=source}": 6, "discovery_endpoints{client=g,set=source}": 3,
			"discovery_updates_total{client=g,resolver=source,result=ok}": 2,
		})
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
