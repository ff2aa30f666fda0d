package prometheus_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/holdfasttest"
	holdprom "github.com/holdfast-go/holdfast/observe/prometheus"
)

// T89: the words of events are bounded, whoever makes them up.
func TestT89_WordsOfEventsAreBounded(t *testing.T) {
	m, r := registered(t, holdprom.Options{})
	var tell func(context.Context, holdfast.Event)
	m.Watch("c", &teller{tell: &tell})
	for i := range 1000 {
		for _, kind := range []string{"circuit", "endpoint", "rejection", "retry_stopped", "hedge_denied"} {
			tell(t.Context(), holdfast.Event{Kind: kind, To: fmt.Sprint("to", i), Reason: fmt.Sprint("why", i), Policy: fmt.Sprint("who", i)})
		}
		for _, to := range []string{"ejected", "spared"} {
			tell(t.Context(), holdfast.Event{Kind: "endpoint", To: to, Reason: fmt.Sprint("rule", i)})
		}
	}
	tell(t.Context(), holdfast.Event{Kind: "circuit", To: "half-open"})
	tell(t.Context(), holdfast.Event{Kind: "endpoint", To: "ejected", Reason: "success_rate"})
	tell(t.Context(), holdfast.Event{Kind: "rejection", Policy: "limit", Reason: "queue"})
	got := scraped(t, r)
	if len(got) > 1000 {
		t.Errorf("%d series", len(got))
	}
	check(t, got, map[string]float64{
		"circuit_changes_total{client=c,target=,to=half-open}":         1,
		"ejections_total{client=c,enforced=true,rule=success_rate}":    1,
		"rejections_total{client=c,policy=limit,reason=queue,target=}": 1,
	})
	text, err := os.ReadFile("../../event.go")
	if err != nil {
		t.Fatal(err)
	}
	table, _, _ := strings.Cut(string(text), "type Event struct")
	for _, word := range holdprom.Words() {
		if !regexp.MustCompile(`[\s,]` + word + `[\s,;(]`).MatchString(table) {
			t.Errorf("%s is no word of an Event", word)
		}
	}
}

// T89: statuses that a server makes up take no room from those that mean something, of any target.
func TestT89_MadeUpStatusesTakeNoRoomFromOthers(t *testing.T) {
	m, r := registered(t, holdprom.Options{})
	var tell func(context.Context, holdfast.Event)
	m.Watch("c", &teller{tell: &tell})
	answers := m.Watch("d")
	h := holdfast.Chain(answers...)
	for i := range 1000 {
		code := holdfast.Code(fmt.Sprintf("%03d", i))
		h(t.Context(), &holdfast.Call{Target: "full", Unary: true, Sender: answering(code)})
		if http.StatusText(i) != "" {
			continue
		}
		tell(t.Context(), holdfast.Event{Kind: "retry", Code: code})
		h(t.Context(), &holdfast.Call{Target: "a", Unary: true, Sender: answering(code)})
	}
	for _, code := range []holdfast.Code{"UNAVAILABLE", holdfast.CodeTimeout, "503"} {
		tell(t.Context(), holdfast.Event{Kind: "retry", Target: "b", Code: code})
		h(t.Context(), &holdfast.Call{Target: "a", Unary: true, Sender: answering(code)})
		h(t.Context(), &holdfast.Call{Target: "full", Unary: true, Sender: answering(code)})
	}
	got := scraped(t, r)
	if len(got) > 1000 {
		t.Errorf("%d series", len(got))
	}
	check(t, got, map[string]float64{
		"retries_total{client=c,reason=UNAVAILABLE,target=b}":                      1,
		"retries_total{client=c,reason=timeout,target=b}":                          1,
		"retries_total{client=c,reason=503,target=b}":                              1,
		"calls_total{class=failure,client=d,code=UNAVAILABLE,method=,target=full}": 1,
		"calls_total{class=failure,client=d,code=timeout,method=,target=full}":     1,
		"calls_total{class=failure,client=d,code=UNAVAILABLE,method=,target=a}":    1,
		"calls_total{class=failure,client=d,code=timeout,method=,target=a}":        1,
		"calls_total{class=failure,client=d,code=503,method=,target=a}":            1,
	})
}

// An answering Sender fails with its code.
type answering holdfast.Code

func (a answering) Send(context.Context, *holdfast.Call) holdfast.Result {
	return holdfast.Result{Err: errors.New("no"), Class: holdfast.Failure, Code: holdfast.Code(a)}
}

// T89: a million methods, however long, cost bounded memory, and those that are known stay so.
func TestT89_MadeUpMethodsCostBoundedMemory(t *testing.T) {
	m, r := registered(t, holdprom.Options{})
	h := holdfast.Chain(m.Watch("c")...)
	call := func(method string) {
		h(t.Context(), &holdfast.Call{Target: "a", Method: method, Unary: true, Sender: answering("503")})
	}
	call("/known")
	heap := func() uint64 {
		runtime.GC()
		var s runtime.MemStats
		runtime.ReadMemStats(&s)
		return s.HeapAlloc
	}
	before, long := heap(), strings.Repeat("x", 64<<10)
	for i := range 1000 {
		call(fmt.Sprintf("/%s/%d", long, i))
	}
	for i := range 100_000 {
		call(fmt.Sprintf("/short/%d", i))
	}
	if after := heap(); after > before+8<<20 {
		t.Errorf("%d KiB are kept", (after-before)>>10)
	}
	call("/known")
	check(t, scraped(t, r), map[string]float64{
		"calls_total{class=failure,client=c,code=503,method=/known,target=a}": 2,
		"calls_total{class=failure,client=c,code=503,method=other,target=a}":  1000 + 100_000 - 99,
	})
}

// A teller tells what it is made to.
type teller struct {
	gauged
	tell *func(context.Context, holdfast.Event)
}

func (p *teller) Watch(f func(context.Context, holdfast.Event)) func() {
	*p.tell = f
	return func() {}
}

// Each kind of event is counted in its series, whoever tells it.
func TestEventsAreCountedByTheirKinds(t *testing.T) {
	m, r := registered(t, holdprom.Options{})
	events := []holdfast.Event{
		{Kind: "retry", Code: "503"},
		{Kind: "retry_stopped", Code: "503", Reason: "budget"},
		{Kind: "hedge"},
		{Kind: "hedge_won"},
		{Kind: "hedge_denied", Reason: "share"},
		{Kind: "rejection", Policy: "breaker", Reason: "half-open"},
		{Kind: "replay"},
		{Kind: "circuit", From: "open", To: "half-open", Reason: "due"},
		{Kind: "endpoint", To: "ejected", Reason: "consecutive_failures"},
		{Kind: "endpoint", To: "spared", Reason: "failure_ratio"},
		{Kind: "endpoint", To: "back", Reason: "probe"},
		{Kind: "discovery"},
		{Kind: "discovery", Err: errors.New("down"), Reason: "error"},
		{Kind: "mine", Reason: "x"},
		{Kind: "circuit", To: "\xff"},
	}
	teller := holdfast.PolicyFunc(func(next holdfast.Handler) holdfast.Handler {
		return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
			for _, e := range events {
				e.Target = call.Target
				call.Tell(ctx, e)
			}
			return next(ctx, call)
		}
	})
	(&holdfasttest.Script{}).Do(t.Context(), holdfast.Chain(m.Watch("c", teller)...), holdfast.Call{Target: "t", Method: "m"})
	check(t, scraped(t, r), map[string]float64{
		"retries_total{client=c,reason=503,target=t}":                         1,
		"retries_stopped_total{client=c,reason=budget,target=t}":              1,
		"hedges_total{client=c,target=t}":                                     1,
		"hedges_won_total{client=c,target=t}":                                 1,
		"hedges_denied_total{client=c,reason=share,target=t}":                 1,
		"rejections_total{client=c,policy=breaker,reason=half-open,target=t}": 1,
		"replays_total{client=c,target=t}":                                    1,
		"circuit_changes_total{client=c,target=t,to=half-open}":               1,
		"circuit_changes_total{client=c,target=t,to=\uFFFD}":                  1,
		"endpoint_changes_total{change=ejected,client=c}":                     1,
		"endpoint_changes_total{change=spared,client=c}":                      1,
		"endpoint_changes_total{change=back,client=c}":                        1,
		"ejections_total{client=c,enforced=true,rule=consecutive_failures}":   1,
		"ejections_total{client=c,enforced=false,rule=failure_ratio}":         1,
		"discovery_updates_total{client=c,resolver=t,result=ok}":              1,
		"discovery_updates_total{client=c,resolver=t,result=error}":           1,
	})
}
