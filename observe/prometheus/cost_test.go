package prometheus_test

import (
	"context"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/holdfast-go/holdfast"
	holdprom "github.com/holdfast-go/holdfast/observe/prometheus"
)

// instant is a call with its answer, in one piece.
type instant struct {
	call   holdfast.Call
	record holdfast.Record
	ending holdfast.Ending
}

func (i *instant) Send(context.Context, *holdfast.Call) holdfast.Result {
	return holdfast.Result{Reply: i, Class: holdfast.Success, Code: "200"}
}
func (i *instant) Discard()                             { i.ending.Finish(holdfast.End{Class: holdfast.Success, Code: "200"}) }
func (i *instant) OnDone(h holdfast.Hook, token uint64) { i.ending.OnDone(h, token) }

func one(h holdfast.Handler, i *instant, unary bool) {
	*i = instant{}
	i.call = holdfast.Call{Target: "users.internal:443", Method: "GET", Unary: unary, Sender: i, Record: &i.record}
	h(context.Background(), &i.call)
	i.ending.Finish(holdfast.End{Class: holdfast.Success, Code: "200"})
}

func counting(tb testing.TB, o holdprom.Options) holdfast.Handler {
	tb.Helper()
	m, err := holdprom.Register(prometheus.NewRegistry(), o)
	if err != nil {
		tb.Fatal(err)
	}
	return holdfast.Chain(m.Watch("c")...)
}

// Counting a call and its attempt allocates nothing.
func TestCountingAllocatesNothing(t *testing.T) {
	h, i := counting(t, holdprom.Options{}), new(instant)
	for _, unary := range []bool{true, false} {
		if n := testing.AllocsPerRun(2000, func() { one(h, i, unary) }); n > 0.5 && !raceOn { // the collector may empty the pool now and then
			t.Errorf("unary %v: %v allocations", unary, n)
		}
	}
}

func BenchmarkCall(b *testing.B) {
	i := new(instant)
	labels := map[string]string{"trace_id": "4bf92f3577b34da6a3ce929d0e0e4736"}
	for name, h := range map[string]holdfast.Handler{"bare": holdfast.Chain(), "counted": counting(b, holdprom.Options{}), "classic alone": counting(b, holdprom.Options{Native: -1}),
		"with exemplars": counting(b, holdprom.Options{Exemplar: func(context.Context) map[string]string { return labels }})} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				one(h, i, true)
			}
		})
	}
}
