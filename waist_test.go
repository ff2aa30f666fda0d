package holdfast_test

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/holdfast-go/holdfast"
)

// senderFunc is a transport of one function.
type senderFunc func(ctx context.Context, call *holdfast.Call) holdfast.Result

func (f senderFunc) Send(ctx context.Context, call *holdfast.Call) holdfast.Result {
	return f(ctx, call)
}

// reply is the plainest Reply there can be.
type reply struct {
	holdfast.Ending
	discards int
}

func (r *reply) Discard() {
	r.discards++
	r.Finish(holdfast.End{Class: holdfast.Success})
}

func ok(context.Context, *holdfast.Call) holdfast.Result {
	return holdfast.Result{Reply: new(reply), Class: holdfast.Success, Code: "ok"}
}

// named notes when a call passes it, on the way down and on the way up.
func named(name string, log *[]string) holdfast.Policy {
	return holdfast.PolicyFunc(func(next holdfast.Handler) holdfast.Handler {
		return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
			*log = append(*log, "+"+name)
			res := next(ctx, call)
			*log = append(*log, "-"+name)
			return res
		}
	})
}

func TestChainRunsTheFirstPolicyOutermost(t *testing.T) {
	var log []string
	h := holdfast.Chain(named("a", &log), nil, named("b", &log), holdfast.PolicyFunc(nil))
	res := h(t.Context(), &holdfast.Call{Sender: senderFunc(ok)})
	if res.Class != holdfast.Success || res.Err != nil {
		t.Fatalf("got %+v, want what the Sender said", res)
	}
	if got, want := strings.Join(log, " "), "+a +b -b -a"; got != want {
		t.Errorf("order %q, want %q", got, want)
	}
}

func TestChainGivesEveryCallARecordAndANumber(t *testing.T) {
	holdfast.Chain()(t.Context(), &holdfast.Call{Sender: senderFunc(func(_ context.Context, call *holdfast.Call) holdfast.Result {
		if call.Record == nil || call.Attempt != 1 || !call.Sent() {
			t.Errorf("Record %v, Attempt %d, Sent %v at the Sender; want one, 1, true", call.Record, call.Attempt, call.Sent())
		}
		return ok(nil, nil)
	})})
}

func TestChainAnswersBadInputWithAClearError(t *testing.T) {
	noHandler := holdfast.PolicyFunc(func(holdfast.Handler) holdfast.Handler { return nil })
	for name, c := range map[string]struct {
		h    holdfast.Handler
		call *holdfast.Call
		want string
	}{
		"nil Call":             {holdfast.Chain(), nil, "Call is nil"},
		"no Sender":            {holdfast.Chain(), new(holdfast.Call), "no Sender"},
		"Wrap that gives none": {holdfast.Chain(nil, noHandler), &holdfast.Call{Sender: senderFunc(ok)}, "policy 2 (holdfast.PolicyFunc)"},
	} {
		t.Run(name, func(t *testing.T) {
			res := c.h(t.Context(), c.call)
			if res.Err == nil || !strings.Contains(res.Err.Error(), c.want) {
				t.Errorf("error %v, want one that says %q", res.Err, c.want)
			}
			if res.Class != holdfast.LocalFault || res.Reply != nil {
				t.Errorf("got %+v, want a Result that says nothing of a server and is not repeated", res)
			}
		})
	}
}

func TestAgainSharesTheRecordAndCountsUp(t *testing.T) {
	call := &holdfast.Call{Target: "t", Method: "m", Repeatable: true, Stream: true, Unary: true, Endpoint: "fixed", Sender: senderFunc(ok)}
	var calls []*holdfast.Call
	holdfast.Chain(holdfast.PolicyFunc(func(holdfast.Handler) holdfast.Handler {
		return func(_ context.Context, call *holdfast.Call) holdfast.Result {
			call.SendTo("picked") // for this attempt alone
			calls = append(calls, call.Again(), call.Again())
			return ok(nil, nil)
		}
	}))(t.Context(), call)
	for i, c := range calls {
		if c.Attempt != i+2 || c.Record != call.Record || c.Sender == nil || c.Sent() {
			t.Errorf("Again gave %+v, want attempt %d of the same request, not sent yet", c, i+2)
		}
		if c.Target != "t" || c.Method != "m" || !c.Repeatable || !c.Stream || !c.Unary {
			t.Errorf("Again gave %+v, want what the first Call says of the request", c)
		}
		if c.Endpoint != "fixed" {
			t.Errorf("endpoint %q, want the one the caller fixed", c.Endpoint)
		}
	}
	// Every field that a door sets is carried over: a new one must be added to Again.
	if n := reflect.TypeFor[holdfast.Call]().NumField(); n != 15 {
		t.Errorf("Call has %d fields; does Again copy the new ones? Then correct this number", n)
	}
}

func TestEndpointsTriedAreRemembered(t *testing.T) {
	call := &holdfast.Call{Record: new(holdfast.Record)}
	again := call.Again()
	call.SendTo("a")
	for range 1000 {
		again.SendTo("b")
	}
	if call.Endpoint != "a" || again.Endpoint != "b" {
		t.Errorf("endpoints %q and %q, want a and b", call.Endpoint, again.Endpoint)
	}
	again.SendTo("c") // a thousand sendings to b leave room for it
	if !again.Tried("a") || !call.Tried("b") || !call.Tried("c") || call.Tried("d") {
		t.Error("attempts of one request do not see each other's endpoints")
	}
}

func TestABalancerOutsideTheRepeaterPicksForAllAttempts(t *testing.T) {
	var record holdfast.Record
	call := &holdfast.Call{Record: new(holdfast.Record)}
	call.Pin("a")
	if again := call.Again(); again.Endpoint != "a" {
		t.Errorf("endpoint %q, want a", again.Endpoint)
	}
	for _, next := range []string{"b", "b", "a", "c"} { // it moves
		call.Pin(next)
		if again := call.Again(); again.Endpoint != next {
			t.Errorf("endpoint %q, want %q", again.Endpoint, next)
		}
	}
	other := &holdfast.Call{Record: new(holdfast.Record)}
	other.SendTo("a")
	if again := other.Again(); again.Endpoint != "" {
		t.Errorf("endpoint %q of an attempt, want none", again.Endpoint)
	}
	if n := testing.AllocsPerRun(100, func() { call := holdfast.Call{Record: &record}; call.Pin("a") }); n != 0 && !raceEnabled {
		t.Errorf("%v allocations for one that does not move", n)
	}
}

func TestContextCarriesTheNearestCall(t *testing.T) {
	if c := holdfast.CallFrom(t.Context()); c != nil {
		t.Fatalf("a bare context carries %+v", c)
	}
	type key struct{}
	parent := context.WithValue(t.Context(), key{}, "kept")
	outer, inner := new(holdfast.Call), new(holdfast.Call)
	ctx := inner.Context(outer.Context(parent))
	if holdfast.CallFrom(ctx) != inner {
		t.Error("the nearest Call is not found")
	}
	if ctx.Value(key{}) != "kept" {
		t.Error("values of the caller are lost")
	}
	// A Sender that asks twice, the second time beneath the first, makes no loop.
	wrapped := context.WithValue(ctx, key{}, "again")
	if got := inner.Context(wrapped); got != wrapped {
		t.Error("a Call was wrapped into its own context twice")
	}
}

func TestContextIsCancelledWithItsParentWithoutAGoroutine(t *testing.T) {
	parent, cancel := context.WithCancelCause(t.Context())
	child, stop := context.WithCancel(new(holdfast.Call).Context(parent))
	defer stop()
	cancel(holdfast.ErrSuperseded)
	if child.Err() == nil { // a goroutine would need time to bring the news
		t.Fatal("the child was not cancelled at once")
	}
	if got := context.Cause(child); !errors.Is(got, holdfast.ErrSuperseded) {
		t.Errorf("cause %v, want ErrSuperseded", got)
	}
}

func TestTheFirstToAskRepeatsTheCall(t *testing.T) {
	r := new(holdfast.Record)
	if r.Claimed() || !r.Claim() || !r.Claimed() || r.Claim() {
		t.Error("the first to ask repeats the call, the second does not")
	}
}

func TestAWholeCallCostsOneAllocation(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates; the ordinary run measures")
	}
	h := holdfast.Chain(holdfast.PolicyFunc(func(next holdfast.Handler) holdfast.Handler {
		return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
			res := next(ctx, call)
			res.OnDone(silent{}, 1)
			return res
		}
	}))
	f := func(context.Context) (int, error) { return 1, nil }
	if n := testing.AllocsPerRun(100, func() { _, _ = holdfast.Do(context.Background(), h, holdfast.Call{Target: "t"}, f) }); n > 1 {
		t.Errorf("%v allocations, want 1", n)
	}
}

type silent struct{}

func (silent) Done(uint64, holdfast.End) {}

func BenchmarkDo(b *testing.B) {
	h := holdfast.Chain(holdfast.PolicyFunc(func(next holdfast.Handler) holdfast.Handler {
		return func(ctx context.Context, call *holdfast.Call) holdfast.Result { return next(ctx, call) }
	}))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := holdfast.Do(context.Background(), h, holdfast.Call{Target: "t"}, func(context.Context) (int, error) { return 1, nil }); err != nil {
			b.Fatal(err)
		}
	}
}
