package prometheus_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/breaker"
	"github.com/holdfast-go/holdfast/discovery"
	"github.com/holdfast-go/holdfast/limit"
	"github.com/holdfast-go/holdfast/loadbalance"
	"github.com/holdfast-go/holdfast/observe"
	holdprom "github.com/holdfast-go/holdfast/observe/prometheus"
)

// Whoever comes first, figures that have the name of one of ours and another shape are left out, and
// ours are there.
func TestOurFiguresAreNobodyElses(t *testing.T) {
	m, r := registered(t, holdprom.Options{})
	b := breaker.New(breaker.Options{})
	b.Isolate("x")
	m.Watch("c", &gauged{figures: []holdfast.Figure{
		{Name: "limit_in_flight", Kind: holdfast.Counter, Value: 1}, {Name: "circuits", Value: 1}, {Name: "circuit_rejected", Value: 1},
		{Name: "limit_max", Kind: holdfast.Most, Value: 7, Help: "Another one."}, {Name: "figures_left_out", Value: 1},
	}}, limit.NewInFlight(limit.InFlightOptions{Max: 3}), b)
	check(t, scraped(t, r), map[string]float64{
		"circuits{client=c,state=isolated,target=x}":                       1,
		"circuit_rejected_total{client=c,target=x}":                        0,
		"limit_in_flight{client=c,target=all}":                             0,
		"limit_max{client=c}":                                              7,
		"figures_left_out{client=c,figure=circuits,reason=labels}":         1,
		"figures_left_out{client=c,figure=circuit_rejected,reason=taken}":  1,
		"figures_left_out{client=c,figure=limit_in_flight,reason=kind}":    1,
		"figures_left_out{client=c,figure=figures_left_out,reason=labels}": 1,
	})
}

// T89: made-up names take no room from ours, and are free again when their policies are forgotten.
func TestT89_MadeUpNamesTakeNoRoomFromOurs(t *testing.T) {
	m, r := registered(t, holdprom.Options{})
	made := func(what string) *gauged {
		g := &gauged{}
		for i := range 300 {
			g.figures = append(g.figures, holdfast.Figure{Name: fmt.Sprint(what, i), Labels: map[string]string{"kept": "a"}, Value: 1})
		}
		return g
	}
	kept := &gauged{figures: []holdfast.Figure{{Name: "x0", Labels: map[string]string{"kept": "b"}, Value: 1}}}
	m.Watch("kept", kept)
	for _, client := range []string{"a", "b"} {
		m.Watch(client, made("x"), limit.NewInFlight(limit.InFlightOptions{}))
		scraped(t, r)
		check(t, scraped(t, r), map[string]float64{
			"limit_in_flight{client=" + client + ",target=all}":               0,
			"x0{client=" + client + ",kept=a}":                                1,
			"figures_left_out{client=" + client + ",figure=x200,reason=many}": 1,
		})
		m.Forget(client)
	}
	m.Watch("c", made("y"))
	check(t, scraped(t, r), map[string]float64{
		"y198{client=c,kept=a}":                              1,
		"x0{client=kept,kept=b}":                             1,
		"figures_left_out{client=c,figure=y199,reason=many}": 1,
	})
}

// A panicky policy panics when it is asked.
type panicky struct{ gauged }

func (p *panicky) Figures(yield func(holdfast.Figure) bool) {
	p.gauged.Figures(yield)
	panic("mine")
}

// A panickyGroup panics when it is asked what is inside, but for the first time.
type panickyGroup struct {
	gauged
	asked bool
}

func (g *panickyGroup) Inside() []holdfast.Policy {
	if g.asked {
		panic("mine")
	}
	g.asked = true
	return nil
}

// A policy that panics keeps no other from being shown, and is counted.
func TestAPolicyThatPanicsIsLeftOut(t *testing.T) {
	m, r := registered(t, holdprom.Options{})
	figure := gauged{figures: []holdfast.Figure{{Name: "x", Value: 1}}}
	m.Watch("c", &panicky{figure}, &gauged{inner: []holdfast.Policy{&panicky{}}}, limit.NewInFlight(limit.InFlightOptions{}))
	m.Pools("c")(&panicky{})
	for range 2 {
		check(t, scraped(t, r), map[string]float64{
			"x{client=c}":                          1,
			"limit_in_flight{client=c,target=all}": 0,
			"figures_left_out{client=c,figure=*prometheus_test.panicky,reason=panic}": 3,
		})
	}
	m.Watch("d", &panickyGroup{gauged: figure}, limit.NewInFlight(limit.InFlightOptions{}))
	check(t, scraped(t, r), map[string]float64{
		"x{client=d}":                          1,
		"limit_in_flight{client=d,target=all}": 0,
		"figures_left_out{client=d,figure=*prometheus_test.panickyGroup,reason=panic}": 1,
	})
}

// What a label of our figures is called, Options.Labels cannot have: Register says so, and registers
// nothing.
func TestLabelsOfOurFiguresAreTaken(t *testing.T) {
	for _, label := range []string{"client", "target", "method", "class", "state", "set", "health", "endpoint", "figure", "reason", "resolver", "to"} {
		r := prometheus.NewPedanticRegistry()
		if m, err := holdprom.Register(r, holdprom.Options{Labels: map[string]string{label: "x"}}); err == nil || m != nil {
			t.Errorf("%s: %v", label, err)
		}
		if got := scraped(t, r); len(got) != 0 {
			t.Errorf("%s: %v", label, got)
		}
	}
}

// A group that tells of itself is listened to, and so is what is inside it; a policy that is no
// pointer once, too.
func TestAllWhoTellAreListenedToOnce(t *testing.T) {
	m, r := registered(t, holdprom.Options{})
	var log []string
	inner, outer, single := breaker.New(breaker.Options{}), breaker.New(breaker.Options{}), breaker.New(breaker.Options{})
	g := &telling{outer, []holdfast.Policy{inner, value{single}}}
	for range 2 {
		m.Watch("c", g, inner, value{single}, value{single}, single)
		m.Watch("c", inner.With(breaker.Options{}), single.With(breaker.Options{}), value{nil}, &telling{})
	}
	observe.Watch(observer(func(e holdfast.Event) { log = append(log, e.Target) }), g, inner, value{single}, inner.With(breaker.Options{}), single)
	inner.Isolate("inner")
	outer.Isolate("outer")
	single.Isolate("single")
	got := scraped(t, r)
	for _, target := range []string{"inner", "outer", "single"} {
		check(t, got, map[string]float64{
			"circuit_changes_total{client=c,target=" + target + ",to=isolated}": 1,
			"circuits{client=c,state=isolated,target=" + target + "}":           1,
		})
	}
	if got := strings.Join(log, " "); got != "inner outer single" {
		t.Errorf("%s", got)
	}
	m.Forget("c")
	inner.Reset("inner")
	outer.Reset("outer")
	for name := range scraped(t, r) {
		if strings.Contains(name, "to=closed") {
			t.Errorf("%s of who is forgotten", name)
		}
	}
}

// A telling group is made of others and tells of its own circuits.
type telling struct {
	*breaker.Breaker
	inner []holdfast.Policy
}

func (g *telling) Inside() []holdfast.Policy { return g.inner }

// A value is a policy that is no pointer.
type value struct{ *breaker.Breaker }

type observer func(holdfast.Event)

func (observer) Call(context.Context, observe.Record)        {}
func (observer) Attempt(context.Context, observe.Record)     {}
func (o observer) Event(_ context.Context, e holdfast.Event) { o(e) }

// A set within a policy that is no pointer counts once.
func TestASetWithinAValueCountsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, r := registered(t, holdprom.Options{})
		source := new(discovery.Source)
		set := loadbalance.New(source, nil, loadbalance.Options{})
		defer set.Close()
		type own struct{ *loadbalance.Set }
		m.Watch("c", own{set}, own{set}, set, own{})
		synctest.Wait()
		source.Publish(1, discovery.Endpoint{Addr: "a"})
		synctest.Wait()
		check(t, scraped(t, r), map[string]float64{
			"endpoints{client=c,health=ready,set=source}":                 1,
			"discovery_endpoints{client=c,set=source}":                    1,
			"discovery_updates_total{client=c,resolver=source,result=ok}": 1,
		})
	})
}

// Pools come while their client is forgotten: those that came before are listened to no longer.
func TestPoolsAreForgottenAtAnyTime(t *testing.T) {
	m, _ := registered(t, holdprom.Options{})
	var listening atomic.Int64
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			pools := m.Pools("p")
			for range 200 {
				closed := pools(&audience{now: &listening})
				m.Watch("p", &audience{now: &listening})
				closed()
				pools(&audience{now: &listening})
			}
		})
		wg.Go(func() {
			for range 200 {
				m.Forget("p")
			}
		})
	}
	wg.Wait()
	m.Forget("p")
	if n := listening.Load(); n != 0 {
		t.Errorf("%d are listened to", n)
	}
}

// Who is forgotten while it begins to be listened to is not listened to for ever.
func TestWhoIsForgottenMeanwhile(t *testing.T) {
	m, _ := registered(t, holdprom.Options{})
	p := &forgetting{m: m}
	m.Watch("c", p)
	if p.listening {
		t.Error("it is listened to")
	}
}

type forgetting struct {
	gauged
	m         *holdprom.Metrics
	listening bool
}

func (p *forgetting) Watch(func(context.Context, holdfast.Event)) func() {
	p.listening = true
	p.m.Forget("c")
	return func() { p.listening = false }
}

// An audience counts who listens to it.
type audience struct {
	gauged
	now *atomic.Int64
}

func (c *audience) Watch(func(context.Context, holdfast.Event)) func() {
	c.now.Add(1)
	return func() { c.now.Add(-1) }
}

// A policy may call the metrics when it is asked, and when it is let go of.
func TestPoliciesAreCalledWithoutALock(t *testing.T) {
	m, _ := registered(t, holdprom.Options{})
	m.Watch("c", &calling{m: m})
	m.Forget("c")
}

type calling struct {
	gauged
	m *holdprom.Metrics
}

func (c *calling) Watch(func(context.Context, holdfast.Event)) func() {
	c.m.Watch("c")
	return func() { c.m.Watch("c") }
}
