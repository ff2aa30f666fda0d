package observe_test

import (
	"context"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/holdfasttest"
	"github.com/holdfast-go/holdfast/observe"
)

// A listener that panics keeps no other from being told.
func TestListenersAreStrangers(t *testing.T) {
	record, told := new(holdfast.Record), []string{}
	call := &holdfast.Call{Record: record}
	if call.Heard() {
		t.Error("nobody listens, and is heard")
	}
	call.Tell(t.Context(), holdfast.Event{}) // nobody
	for _, name := range []string{"a", "b", "c"} {
		record.Listen(holdfast.NewListener(func(context.Context, holdfast.Event) {
			told = append(told, name)
			if name != "c" {
				panic(name)
			}
		}))
	}
	record.Listen(nil)
	last := holdfast.NewListener(func(context.Context, holdfast.Event) { told = append(told, "once") })
	record.Listen(last)
	record.Listen(last)
	func() {
		defer func() {
			if got := fmt.Sprint(recover()); got == "<nil>" {
				t.Error("the panic is lost")
			}
		}()
		call.Tell(t.Context(), holdfast.Event{})
	}()
	if !reflect.DeepEqual(told, []string{"a", "b", "c", "once"}) {
		t.Errorf("%v were told", told)
	}
}

// A listener of several calls hears of each with those that are around it there.
func TestAListenerStandsInSeveralChains(t *testing.T) {
	var told []string
	named := func(name string) *holdfast.Listener {
		return holdfast.NewListener(func(context.Context, holdfast.Event) { told = append(told, name) })
	}
	shared := named("shared")
	for _, outer := range []string{"a", "b", "a"} {
		call := &holdfast.Call{Record: new(holdfast.Record)}
		call.Record.Listen(named(outer))
		call.Record.Listen(shared)
		call.Tell(t.Context(), holdfast.Event{})
	}
	if got := strings.Join(told, " "); got != "a shared b shared a shared" {
		t.Errorf("%s", got)
	}
}

// A listener without a function is none.
func TestAListenerWithoutAFunctionIsNone(t *testing.T) {
	call := &holdfast.Call{Record: new(holdfast.Record)}
	call.Record.Listen(holdfast.NewListener(nil))
	if call.Heard() {
		t.Error("nobody listens, and is heard")
	}
	call.Tell(t.Context(), holdfast.Event{})
}

// All that begin to listen at once are told.
func TestListenersThatComeAtOnce(t *testing.T) {
	var told atomic.Int64
	const calls, each = 200, 8
	for range calls {
		call := &holdfast.Call{Record: new(holdfast.Record)}
		var wg sync.WaitGroup
		begin := make(chan struct{})
		for range each {
			l := holdfast.NewListener(func(context.Context, holdfast.Event) { told.Add(1) })
			wg.Go(func() { <-begin; call.Record.Listen(l) })
		}
		close(begin)
		wg.Wait()
		call.Tell(t.Context(), holdfast.Event{})
	}
	if n := told.Load(); n != calls*each {
		t.Errorf("%d of %d were told", n, calls*each)
	}
}

// To listen in a chain of listeners that was there before allocates nothing.
func TestListeningAllocatesNothing(t *testing.T) {
	if raceOn {
		t.Skip("the race detector allocates by itself")
	}
	a, b := holdfast.NewListener(func(context.Context, holdfast.Event) {}), holdfast.NewListener(func(context.Context, holdfast.Event) {})
	records := make([]holdfast.Record, 200)
	i := 0
	if n := testing.AllocsPerRun(100, func() { records[i].Listen(a); records[i].Listen(b); i++ }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// When Done panics nobody is left to read the answer.
func TestAPanicOfDoneLeavesNoAnswer(t *testing.T) {
	for _, unary := range []bool{true, false} {
		var reply *holdfasttest.Reply
		keep := holdfast.PolicyFunc(func(next holdfast.Handler) holdfast.Handler {
			return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
				res := next(ctx, call)
				reply = res.Reply.(*holdfasttest.Reply)
				return res
			}
		})
		h := holdfast.Chain(observe.New(observe.Options{Done: func(context.Context, observe.Record) { panic("x") }}), keep)
		func() {
			defer func() {
				if recover() == nil {
					t.Error("the panic is lost")
				}
			}()
			(&holdfasttest.Script{}).Do(t.Context(), h, holdfast.Call{Target: "t", Unary: unary})
		}()
		if reply.Discards() != 1 {
			t.Errorf("unary %v: discarded %d times", unary, reply.Discards())
		}
	}
}

// Headers of one call are not sent with another that is made within it.
func TestHeadersBelongToTheirCall(t *testing.T) {
	outer, inner := &holdfast.Call{Record: new(holdfast.Record)}, &holdfast.Call{Record: new(holdfast.Record)}
	ctx := outer.WithHeader(outer.WithHeader(t.Context(), "A", "1"), "B", "2")
	list := func(c *holdfast.Call) (all string) {
		c.Headers(ctx, func(key, value string) { all += key + value + " " })
		return all
	}
	if list(outer) != "A1 B2 " || list(inner) != "" {
		t.Errorf("%q and %q", list(outer), list(inner))
	}
	ctx = inner.WithHeader(ctx, "C", "3")
	if list(inner) != "C3 " {
		t.Errorf("%q", list(inner))
	}
}
