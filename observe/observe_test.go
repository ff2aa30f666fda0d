package observe_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/breaker"
	"github.com/holdfast-go/holdfast/discovery"
	"github.com/holdfast-go/holdfast/hedge"
	"github.com/holdfast-go/holdfast/holdfasttest"
	"github.com/holdfast-go/holdfast/limit"
	"github.com/holdfast-go/holdfast/loadbalance"
	"github.com/holdfast-go/holdfast/observe"
	"github.com/holdfast-go/holdfast/retry"
	"github.com/holdfast-go/holdfast/timeout"
)

// A witness is an Observer that remembers.
type witness struct {
	mu       sync.Mutex
	calls    []observe.Record
	attempts []observe.Record
	events   []holdfast.Event
	contexts []context.Context
}

func (w *witness) Call(ctx context.Context, r observe.Record) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls, w.contexts = append(w.calls, r), append(w.contexts, ctx)
}

func (w *witness) Attempt(ctx context.Context, r observe.Record) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.attempts, w.contexts = append(w.attempts, r), append(w.contexts, ctx)
}

func (w *witness) Event(ctx context.Context, e holdfast.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.events, w.contexts = append(w.events, e), append(w.contexts, ctx)
}

// told is the kinds of the events, in order.
func (w *witness) told() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var kinds []string
	for _, e := range w.events {
		kinds = append(kinds, e.Kind)
	}
	return strings.Join(kinds, " ")
}

type secret struct{}

var errDown = errors.New("down")

// T34, T35: the number and the reason of each attempt are in the record and the event,
// with what the server said, and everybody gets the caller's context.
func TestT34_T35_AttemptsAndReasonsAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := new(witness)
		h := holdfast.Chain(observe.Watch(w, timeout.New(timeout.Options{Limit: time.Minute}), retry.New(retry.Options{}))...)
		script := &holdfasttest.Script{Steps: []holdfasttest.Step{
			{Delay: time.Second, Err: errDown, Class: holdfast.Failure, Code: "UNAVAILABLE"},
			{Err: errDown, Class: holdfast.Overload, Code: "RESOURCE_EXHAUSTED", After: 2 * time.Second},
			{Delay: 3 * time.Second},
		}}
		ctx := context.WithValue(t.Context(), secret{}, "the caller's")
		start := time.Now()
		script.Do(ctx, h, holdfast.Call{Target: "users", Method: "/u.U/Get", Repeatable: true})
		if len(w.calls) != 1 || len(w.attempts) != 3 || len(w.events) != 2 {
			t.Fatalf("%d calls, %d attempts, %d events", len(w.calls), len(w.attempts), len(w.events))
		}
		for i, want := range []struct {
			code holdfast.Code
			took time.Duration
		}{{"UNAVAILABLE", time.Second}, {"RESOURCE_EXHAUSTED", 0}, {"success", 3 * time.Second}} {
			if a := w.attempts[i]; a.Attempt != i+1 || a.Code != want.code || a.Took.Round(time.Microsecond) != want.took || !a.Sent || a.Target != "users" || a.Method != "/u.U/Get" {
				t.Errorf("attempt %d: %+v", i+1, a)
			}
		}
		if c := w.calls[0]; c.Attempts != 3 || c.Class != holdfast.Success || c.Took != time.Since(start) || len(c.Ledger().Attempts) != 3 {
			t.Errorf("the call: %+v", c)
		}
		first, second := w.events[0], w.events[1]
		if first.Attempt != 1 || first.Code != "UNAVAILABLE" || !errors.Is(first.Err, errDown) || second.Attempt != 2 || second.Wait < 2*time.Second ||
			first.Kind != "retry" || first.Policy != "retry" || first.Target != "users" || first.Method != "/u.U/Get" || first.Class != holdfast.Failure || first.Level != slog.LevelInfo {
			t.Errorf("%+v, %+v", first, second)
		}
		for i, ctx := range w.contexts {
			if ctx.Value(secret{}) != "the caller's" {
				t.Errorf("context %d has not the caller's values", i)
			}
		}
	})
}

// Everybody who decides tells what, and why.
func TestDecisionsAreTold(t *testing.T) {
	down := holdfasttest.Step{Err: errDown, Class: holdfast.Failure, Code: "503"}
	call := holdfast.Call{Target: "t", Method: "GET", Repeatable: true}
	for name, c := range map[string]struct {
		policies func() []holdfast.Policy
		steps    []holdfasttest.Step
		calls    int
		want     string // the last event
	}{
		"no attempt left": {func() []holdfast.Policy {
			return []holdfast.Policy{retry.New(retry.Options{MaxAttempts: 2, InitialInterval: -1})}
		},
			[]holdfasttest.Step{down}, 1, "retry_stopped level=WARN reason=attempts"},
		"the budget is empty": {func() []holdfast.Policy {
			return []holdfast.Policy{retry.New(retry.Options{InitialInterval: -1, Budget: retry.NewBudget(retry.BudgetOptions{Min: -1})})}
		}, []holdfasttest.Step{down}, 1, "retry_stopped level=WARN reason=budget"},
		"told not to": {func() []holdfast.Policy { return []holdfast.Policy{retry.New(retry.Options{})} },
			[]holdfasttest.Step{{Err: errDown, Class: holdfast.Failure, After: holdfast.Never}}, 1, "retry_stopped level=DEBUG reason=told"},
		"the server asks for too long": {func() []holdfast.Policy { return []holdfast.Policy{retry.New(retry.Options{})} },
			[]holdfasttest.Step{{Err: errDown, Class: holdfast.Overload, After: time.Hour}}, 1, "retry_stopped level=DEBUG reason=after"},
		"no time left": {func() []holdfast.Policy {
			return []holdfast.Policy{timeout.New(timeout.Options{Limit: time.Second}), retry.New(retry.Options{})}
		},
			[]holdfasttest.Step{{Err: errDown, Class: holdfast.Overload, After: 10 * time.Second}}, 1, "retry_stopped level=DEBUG reason=deadline"},
		"the circuit opens": {func() []holdfast.Policy { return []holdfast.Policy{breaker.New(breaker.Options{})} },
			[]holdfasttest.Step{down}, 5, "circuit level=WARN policy=breaker target=t from=closed to=open reason=consecutive_failures"},
		"and rejects": {func() []holdfast.Policy { return []holdfast.Policy{breaker.New(breaker.Options{})} },
			[]holdfasttest.Step{down}, 6, "rejection level=WARN target=t method=GET policy=breaker reason=open"},
		"a rate": {func() []holdfast.Policy { return []holdfast.Policy{limit.NewRate(limit.RateOptions{PerSecond: 1})} },
			[]holdfasttest.Step{{}}, 2, "rejection level=WARN target=t method=GET policy=rate reason=full"},
		"calls in flight": {func() []holdfast.Policy {
			l := limit.NewInFlight(limit.InFlightOptions{Max: 1})
			_, _ = l.Acquire(context.Background(), "t")
			return []holdfast.Policy{l}
		}, []holdfasttest.Step{{}}, 1, "rejection level=WARN target=t method=GET policy=limit reason=full"},
		"a wait for a place": {func() []holdfast.Policy {
			l := limit.NewInFlight(limit.InFlightOptions{Max: 1, Wait: time.Second})
			_, _ = l.Acquire(context.Background(), "t")
			return []holdfast.Policy{l}
		}, []holdfasttest.Step{{}}, 1, "rejection level=WARN target=t method=GET policy=limit reason=waited"},
		"a full queue": {func() []holdfast.Policy {
			l := limit.NewInFlight(limit.InFlightOptions{Max: 1, Queue: -1, Wait: time.Second})
			_, _ = l.Acquire(context.Background(), "t")
			return []holdfast.Policy{l}
		}, []holdfasttest.Step{{}}, 1, "rejection level=WARN target=t method=GET policy=limit reason=queue"},
		"a wait past the deadline": {func() []holdfast.Policy {
			return []holdfast.Policy{timeout.New(timeout.Options{Limit: time.Second}), limit.NewRate(limit.RateOptions{PerSecond: 0.01, Wait: time.Hour, Queue: 10})}
		}, []holdfasttest.Step{{}}, 2, "rejection level=WARN target=t method=GET policy=rate reason=deadline"},
		"a hedge": {func() []holdfast.Policy {
			return []holdfast.Policy{hedge.New(hedge.Options{Delay: time.Second, Share: -1})}
		},
			[]holdfasttest.Step{{Delay: time.Minute}, {}}, 1, "hedge_won level=DEBUG policy=hedge attempt=2 wait=1s"},
		"a hedge denied": {func() []holdfast.Policy {
			return []holdfast.Policy{hedge.New(hedge.Options{Delay: time.Second, Share: -1, Budget: retry.NewBudget(retry.BudgetOptions{Min: -1})})}
		}, []holdfasttest.Step{{Delay: 2 * time.Second}}, 1, "hedge_denied level=DEBUG policy=hedge reason=budget wait=1s"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := new(witness)
				h := holdfast.Chain(observe.Watch(w, c.policies()...)...)
				for range c.calls {
					(&holdfasttest.Script{Steps: c.steps}).Do(t.Context(), h, call)
				}
				if len(w.events) == 0 {
					t.Fatal("nothing is told")
				}
				last := w.events[len(w.events)-1]
				text := last.Kind + " level=" + last.Level.String()
				for _, a := range last.LogValue().Group() {
					text += " " + a.String()
				}
				for _, part := range strings.Fields(c.want) {
					if !slices.Contains(strings.Fields(text), part) {
						t.Errorf("%q, want %s in it", text, part)
					}
				}
			})
		})
	}
}

// A balancer tells of ejections and of discovery, and rejects what it cannot send.
func TestABalancerTells(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := new(witness)
		source := new(discovery.Source)
		set := loadbalance.New(source, loadbalance.RoundRobin, loadbalance.Options{})
		defer set.Close()
		h := holdfast.Chain(observe.Watch(w, set)...)
		source.Publish(1, discovery.Endpoint{Addr: "a"}, discovery.Endpoint{Addr: "b"})
		synctest.Wait()
		script := &holdfasttest.Script{Steps: []holdfasttest.Step{{Err: errDown, Class: holdfast.Failure, Code: "503"}}}
		for range 10 {
			script.Do(t.Context(), h, holdfast.Call{Target: "t"})
		}
		source.Fail(errDown)
		synctest.Wait()
		if got := w.told(); got != "discovery endpoint endpoint discovery" {
			t.Errorf("%s", got)
		}
		found, failed := w.events[0], w.events[3]
		if found.Level != slog.LevelInfo || found.Policy != "balance" || found.Target != "source" || found.Err != nil || found.Reason != "" ||
			!slices.EqualFunc(found.Attrs, []slog.Attr{slog.Int("endpoints", 2), slog.Int("added", 2), slog.Int("removed", 0)}, slog.Attr.Equal) {
			t.Errorf("%+v", found)
		}
		if failed.Level != slog.LevelWarn || failed.Policy != "balance" || failed.Target != "source" || failed.Err != errDown || failed.Reason != "error" || failed.Detail != "the resolver returned an error" ||
			!slices.EqualFunc(failed.Attrs, []slog.Attr{slog.Int("endpoints", 2), slog.Duration("stale", 0)}, slog.Attr.Equal) {
			t.Errorf("%+v", failed)
		}
		ejected, spared := w.events[1], w.events[2]
		if ejected.To != "ejected" || ejected.Reason != "consecutive_failures" || ejected.Detail != "5 errors in a row" || ejected.Level != slog.LevelWarn || ejected.Policy != "balance" ||
			ejected.Wait < 27*time.Second || ejected.Wait > 33*time.Second {
			t.Errorf("%+v", ejected)
		}
		if spared.To != "spared" || spared.Reason != "consecutive_failures" || spared.Endpoint == ejected.Endpoint || spared.Level != slog.LevelWarn || spared.Wait != 0 {
			t.Errorf("%+v", spared)
		}
		for _, a := range w.attempts {
			if a.Endpoint == "" {
				t.Errorf("an attempt without its endpoint: %+v", a)
			}
		}
		if w.calls[0].Endpoint == "" {
			t.Error("a call without its endpoint")
		}
	})
}

// Several observers hear the same, each once, however they stand.
func TestObserversStandAroundEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := new(witness), new(witness)
		policies := observe.Watch(a, observe.Watch(b, breaker.New(breaker.Options{ConsecutiveFailures: 2}), retry.New(retry.Options{InitialInterval: -1}))...)
		h := holdfast.Chain(policies...)
		for range 3 {
			(&holdfasttest.Script{Steps: []holdfasttest.Step{{Err: errDown, Class: holdfast.Failure}}}).Do(t.Context(), h, holdfast.Call{Target: "t", Repeatable: true})
		}
		if a.told() == "" || a.told() != b.told() || len(a.calls) != 3 || len(b.calls) != 3 || len(a.attempts) != len(b.attempts) {
			t.Errorf("%s, %d calls, %d attempts\n%s, %d calls, %d attempts", a.told(), len(a.calls), len(a.attempts), b.told(), len(b.calls), len(b.attempts))
		}
		if got := a.told(); got != "retry retry retry_stopped retry retry retry_stopped circuit rejection" {
			t.Errorf("%s", got)
		}
	})
}

// A call is over when its answer is: read to its end, or let go of.
func TestACallIsOverWhenItsAnswerIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := new(witness)
		h := holdfast.Chain(observe.Watch(w)...)
		script := &holdfasttest.Script{Steps: []holdfasttest.Step{{Delay: time.Second, Open: true}}}
		res := script.Do(t.Context(), h, holdfast.Call{Target: "t"})
		if len(w.calls) != 0 {
			t.Error("it is over before its answer")
		}
		time.Sleep(time.Second)
		reply := res.Reply.(*holdfasttest.Reply)
		reply.Finish(reply.End(errDown))
		if len(w.calls) != 1 || w.calls[0].Answered != time.Second || w.calls[0].Took != 2*time.Second || w.calls[0].Class != holdfast.Failure || !errors.Is(w.calls[0].Err, errDown) {
			t.Errorf("%+v", w.calls)
		}
	})
}

// What panics is told of as well.
func TestAPanicIsTold(t *testing.T) {
	w := new(witness)
	h := holdfast.Chain(observe.Watch(w)...)
	func() {
		defer func() { _ = recover() }()
		(&holdfasttest.Script{Steps: []holdfasttest.Step{{Panic: "x"}}}).Do(t.Context(), h, holdfast.Call{Target: "t"})
	}()
	if len(w.calls) != 1 || w.calls[0].Code != "panic" || w.calls[0].Class != holdfast.Ignored || len(w.attempts) != 1 {
		t.Errorf("%+v", w.calls)
	}
}
