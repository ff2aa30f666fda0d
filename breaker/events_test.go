package breaker_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/breaker"
	"github.com/holdfast-go/holdfast/holdfasttest"
)

// A change of a circuit says which one, what became of it and why, in a word and for people,
// and for how long it stays open.
func TestAChangeSaysWhatAndWhy(t *testing.T) {
	slow := func(n int, class holdfast.Class) func(r *rig) {
		return func(r *rig) {
			r.answer = func() holdfast.Result {
				time.Sleep(time.Second)
				return holdfast.Result{Err: errors.New("x"), Class: class}
			}
			for range n {
				r.begin("t")
			}
		}
	}
	broken := func(r *rig) {
		for range 5 {
			res := (&holdfasttest.Script{Steps: []holdfasttest.Step{{Open: true}}}).Do(context.Background(), holdfast.Chain(r.Breaker), holdfast.Call{Target: "t"})
			reply := res.Reply.(*holdfasttest.Reply)
			reply.Finish(reply.End(errors.New("reset")))
		}
	}
	for want, c := range map[string]struct {
		o  breaker.Options
		do func(r *rig)
	}{
		"closed open consecutive_failures: 5 failures in a row": {breaker.Options{}, func(r *rig) { r.open(t) }},
		"closed open broken: 5 broken answers in a row":         {breaker.Options{}, broken},
		"closed open failure_ratio: 3 of 3 calls failed":        {breaker.Options{ConsecutiveFailures: -1, MinSamples: 3}, func(r *rig) { r.open(t) }},
		"closed open slow: 3 of 3 calls were slow":              {breaker.Options{MinSamples: 3, SlowDuration: time.Second}, slow(3, holdfast.Success)},
		"open half-open due: its time has passed":               {breaker.Options{}, func(r *rig) { r.halfOpen(t); r.call(ignored) }},
		"half-open open probe: the probe failed":                {breaker.Options{}, func(r *rig) { r.halfOpen(t); r.call(bad) }},
		"half-open open probe: the probe was slow": {breaker.Options{SlowDuration: time.Second}, func(r *rig) {
			r.halfOpen(t)
			slow(1, holdfast.Success)(r)
		}},
		"half-open open probe: the probe took longer than 1s": {breaker.Options{ProbeTimeout: time.Second}, func(r *rig) {
			r.halfOpen(t)
			r.answer = func() holdfast.Result { time.Sleep(time.Minute); return good }
			go r.begin("t")
			time.Sleep(2 * time.Second)
			r.begin("t")
			time.Sleep(time.Minute)
		}},
		"half-open closed probe: the probe succeeded": {breaker.Options{}, func(r *rig) { r.halfOpen(t); r.call(good) }},
		"closed isolated hand: isolated by hand":      {breaker.Options{}, func(r *rig) { r.Isolate("t") }},
		"isolated closed hand: reset by hand":         {breaker.Options{}, func(r *rig) { r.Isolate("t"); r.Reset("t") }},
	} {
		synctest.Test(t, func(t *testing.T) {
			var told []holdfast.Event
			c.o.OnChange = func(ctx context.Context, e holdfast.Event) {
				if ctx.Err() != nil || ctx.Done() != nil {
					t.Error("the context is a call's")
				}
				told = append(told, e)
			}
			r := newRig(c.o)
			c.do(r)
			if len(told) == 0 {
				t.Fatalf("nothing is told, want %s", want)
			}
			e := told[len(told)-1]
			if got := e.From + " " + e.To + " " + e.Reason + ": " + e.Detail; got != want {
				t.Errorf("%s, want %s", got, want)
			}
			level := slog.LevelInfo
			if e.To == "open" || e.To == "isolated" {
				level = slog.LevelWarn
			}
			if e.Kind != "circuit" || e.Policy != "breaker" || e.Target != "t" || e.Level != level || e.Method != "" || e.Err != nil {
				t.Errorf("%+v", e)
			}
			if s := r.Status("t"); e.To != "open" && e.Wait != 0 || e.To == "open" && (e.Wait <= 0 || s.State == breaker.Open && time.Until(s.Until) != e.Wait) {
				t.Errorf("%v for %v, until %v from now", e.To, e.Wait, time.Until(s.Until))
			}
		})
	}
}
