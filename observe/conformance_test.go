package observe_test

import (
	"context"
	"io"
	"log/slog"
	"testing"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/holdfasttest"
	"github.com/holdfast-go/holdfast/observe"
)

// both is the Observe that tells of all there is, to nobody.
func both() holdfast.Policy {
	return observe.New(observe.Options{Done: func(context.Context, observe.Record) {}, Event: func(context.Context, holdfast.Event) {}})
}

func TestObserveKeepsTheContract(t *testing.T) { holdfasttest.TestPolicy(t, both) }

func TestObserveCallsBackWithNoLockHeld(t *testing.T) {
	holdfasttest.TestCallbacks(t, func(callback func()) holdfast.Policy {
		return observe.New(observe.Options{Done: func(context.Context, observe.Record) { callback() }, Event: func(context.Context, holdfast.Event) { callback() }})
	})
}

func TestLogCallsTheHandlerWithNoLockHeld(t *testing.T) {
	holdfasttest.TestCallbacks(t, func(callback func()) holdfast.Policy {
		log := observe.NewLog(slog.New(slog.NewTextHandler(io.Discard, &slog.HandlerOptions{
			Level:       slog.LevelDebug,
			ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr { return a },
		})), observe.LogOptions{Error: func(error) string { callback(); return "" }})
		return observe.New(observe.Options{Done: log.Call, Event: log.Event})
	})
}

// What observes allocates nothing: not for a unary call, and not for an answer that
// goes on.
func TestObservingAllocatesNothing(t *testing.T) {
	if raceOn {
		t.Skip("the race detector allocates by itself, and has the pool forget")
	}
	seen := 0
	h := holdfast.Chain(observe.New(observe.Options{Done: func(context.Context, observe.Record) { seen++ }, Event: func(context.Context, holdfast.Event) {}}))
	bare := holdfast.Chain()
	for _, unary := range []bool{true, false} {
		run := func(h holdfast.Handler) float64 {
			sender := new(instant)
			return testing.AllocsPerRun(1000, func() {
				*sender = instant{}
				sender.call = holdfast.Call{Target: "t", Method: "m", Unary: unary, Sender: sender, Record: &sender.record}
				h(context.Background(), &sender.call)
				sender.ending.Finish(holdfast.End{Class: holdfast.Success, Code: "ok"})
			})
		}
		if ours, without := run(h), run(bare); ours > without {
			t.Errorf("unary %v: %v allocations, %v without", unary, ours, without)
		}
	}
	if seen < 2000 {
		t.Errorf("%d calls seen", seen)
	}
}

// instant is a call with its answer, in one piece.
type instant struct {
	call   holdfast.Call
	record holdfast.Record
	ending holdfast.Ending
}

func (i *instant) Send(context.Context, *holdfast.Call) holdfast.Result {
	return holdfast.Result{Reply: i, Class: holdfast.Success, Code: "ok"}
}
func (i *instant) Discard()                             { i.ending.Finish(holdfast.End{Class: holdfast.Success, Code: "ok"}) }
func (i *instant) OnDone(h holdfast.Hook, token uint64) { i.ending.OnDone(h, token) }
