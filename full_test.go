package holdfast_test

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/timeout"
)

// That a table is full is told as one event, with the number; not where there is nothing to tell.
func TestAFullTableIsToldAsOneEvent(t *testing.T) {
	var told []holdfast.Event
	call := &holdfast.Call{Target: "t", Method: "get", Record: new(holdfast.Record)}
	e := holdfast.Event{Policy: "mine", Target: "key", Reason: "max_keys", Detail: "calls go without"}
	call.TellFull(t.Context(), e, 4) // nobody listens
	call.Record.Listen(holdfast.NewListener(func(_ context.Context, e holdfast.Event) { told = append(told, e) }))
	call.TellFull(t.Context(), e, 0)
	call.TellFull(t.Context(), e, 8)
	if len(told) != 1 {
		t.Fatalf("told %+v", told)
	}
	got := told[0]
	if got.Kind != "table_full" || got.Level != slog.LevelWarn || got.Policy != "mine" || got.Target != "key" || got.Method != "get" ||
		got.Reason != "max_keys" || got.Detail != "calls go without: 8 so far" {
		t.Errorf("told %+v", got)
	}
	f := holdfast.FullFigure("mine", 8, call)
	if f.Name != "table_full_total" || f.Kind != holdfast.Counter || f.Value != 8 || f.Labels["policy"] != "mine" || f.Owner != any(call) {
		t.Errorf("%+v", f)
	}
}

// The time that a slow listener takes is held against no server, though the call runs out of it.
func TestAListenerOfAFullTableBlamesNoServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := holdfast.PolicyFunc(func(next holdfast.Handler) holdfast.Handler {
			return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
				call.Record.Listen(holdfast.NewListener(func(context.Context, holdfast.Event) { time.Sleep(2 * time.Second) }))
				call.TellFull(ctx, holdfast.Event{Policy: "mine"}, 1)
				return next(ctx, call)
			}
		})
		h := holdfast.Chain(timeout.New(timeout.Options{Limit: time.Second}), slow)
		res := h(t.Context(), &holdfast.Call{Target: "t", Unary: true, Sender: senderFunc(func(ctx context.Context, call *holdfast.Call) holdfast.Result {
			v := holdfast.VerdictOf(call.Context(ctx), ctx.Err())
			return holdfast.Result{Err: ctx.Err(), Class: v.Class, Code: v.Code}
		})})
		if res.Class.Server() == holdfast.Unhealthy {
			t.Errorf("the server is charged with %+v", res)
		}
	})
}

// A policy of one's own tells how many calls its table had no room for.
func ExampleFullFigure() {
	var late uint64 = 3
	figures := func(yield func(holdfast.Figure) bool) {
		yield(holdfast.FullFigure("tenants", late, &late))
	}
	for f := range figures {
		fmt.Println(f.Name, f.Labels["policy"], f.Value)
	}
	// Output: table_full_total tenants 3
}
