package holdfast_test

import (
	"context"
	"errors"
	"runtime"
	"testing"

	"github.com/holdfast-go/holdfast"
)

// A place is a Hook that counts.
type place struct {
	ends   []holdfast.End
	tokens []uint64
}

func (p *place) Done(token uint64, end holdfast.End) {
	p.tokens, p.ends = append(p.tokens, token), append(p.ends, end)
}

// openReply is a Reply that goes on until it is discarded.
type openReply struct{ holdfast.Ending }

func (r *openReply) Discard() { r.Finish(holdfast.End{Class: holdfast.Success, Code: "read"}) }

func holding(h holdfast.Hook) holdfast.Policy {
	return holdfast.PolicyFunc(func(next holdfast.Handler) holdfast.Handler {
		return func(ctx context.Context, call *holdfast.Call) holdfast.Result { return call.Hold(ctx, next, h, 7) }
	})
}

// What a call holds is given back once, when the call is over, however that comes about.
func TestWhatACallHoldsIsGivenBackOnce(t *testing.T) {
	boom := errors.New("boom")
	for name, c := range map[string]struct {
		send  func() holdfast.Result
		unary bool
		later bool // not before the Reply ends
		want  holdfast.End
	}{
		"an error": {func() holdfast.Result { return holdfast.Result{Err: boom, Class: holdfast.Failure, Code: "x"} }, false, false, holdfast.End{Class: holdfast.Failure, Code: "x", Err: boom}},
		"a reply": {func() holdfast.Result {
			return holdfast.Result{Reply: new(openReply), Class: holdfast.Success, Code: "200"}
		}, false, true, holdfast.End{Class: holdfast.Success, Code: "read"}},
		"unary": {func() holdfast.Result {
			return holdfast.Result{Reply: new(openReply), Class: holdfast.Success, Code: "200"}
		}, true, false, holdfast.End{Class: holdfast.Success, Code: "200"}},
		"a panic":     {func() holdfast.Result { panic("in the transport") }, false, false, holdfast.End{Code: holdfast.CodePanic}},
		"it has left": {func() holdfast.Result { runtime.Goexit(); panic("not reached") }, false, false, holdfast.End{Code: holdfast.CodePanic}},
	} {
		t.Run(name, func(t *testing.T) {
			p := new(place)
			h := holdfast.Chain(holding(p))
			done := make(chan holdfast.Result, 1)
			go func() {
				defer close(done)
				defer func() { _ = recover() }()
				done <- h(t.Context(), &holdfast.Call{Unary: c.unary, Sender: senderFunc(func(context.Context, *holdfast.Call) holdfast.Result { return c.send() })})
			}()
			res := <-done
			if c.later && len(p.ends) > 0 {
				t.Error("it was given back before the answer was read")
			}
			res.Discard()
			if len(p.ends) != 1 || p.ends[0] != c.want || p.tokens[0] != 7 {
				t.Errorf("given back %v, %v, want once with %v", p.tokens, p.ends, c.want)
			}
		})
	}
}

// A call within one that holds something borrows it, one at a time, and nobody else does: not
// another call, nor one that goes on when the outer one is over, nor one of another holder.
func TestACallWithinACallBorrowsWhatThatHolds(t *testing.T) {
	p, other := new(place), new(place)
	inner := func(ctx context.Context, want bool, of *place, f func()) {
		t.Helper()
		_, _ = holdfast.Do(ctx, holdfast.Chain(holdfast.PolicyFunc(func(next holdfast.Handler) holdfast.Handler {
			return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
				back, ok := call.Borrow(ctx, of)
				if ok != want {
					t.Errorf("borrowed: %v, want %v", ok, want)
				}
				res := next(ctx, call)
				if ok {
					back()
				}
				return res
			}
		})), holdfast.Call{Target: "inner"}, func(context.Context) (int, error) { f(); return 0, nil })
	}
	nothing := func() {}
	var left context.Context
	_, _ = holdfast.Do(t.Context(), holdfast.Chain(holding(other), holding(p), holding(p)), holdfast.Call{Target: "outer"}, func(ctx context.Context) (int, error) {
		left = ctx
		inner(ctx, true, p, func() {
			inner(ctx, true, p, func() { // the second of two places
				inner(ctx, false, p, nothing) // both are lent
				inner(ctx, true, other, nothing)
			})
		})
		inner(ctx, true, p, nothing) // given back
		inner(t.Context(), false, p, nothing)
		inner(context.WithoutCancel(ctx), false, p, nothing)
		inner(ctx, false, new(place), nothing)
		return 0, nil
	})
	inner(left, false, p, nothing)
}

// What is made within a probe is sent once, whoever would repeat it.
func TestWhatIsMadeWithinAProbeIsSentOnce(t *testing.T) {
	p := new(place)
	for _, probes := range []bool{true, false} {
		h := holdfast.Chain(holdfast.PolicyFunc(func(next holdfast.Handler) holdfast.Handler {
			return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
				if !probes {
					return next(ctx, call)
				}
				return call.Probe(ctx, next, p)
			}
		}))
		var why string
		sends := 0
		within := func(ctx context.Context) { do(ctx, true, &why, func(context.Context) { sends++ }) }
		_, _ = holdfast.Do(t.Context(), h, holdfast.Call{Target: "t"}, func(ctx context.Context) (int, error) { within(ctx); return 0, nil })
		if want := map[bool]int{true: 1, false: 2}[probes]; sends != want {
			t.Errorf("a probe: %v; sent %d times, want %d: %q", probes, sends, want, why)
		}
	}
}

// A Rejection is told, and answers the call; one without a Code is a wait that was cut short.
func TestARejectionAnswersTheCall(t *testing.T) {
	full := errors.New("full")
	for name, c := range map[string]struct {
		r    holdfast.Rejection
		told int
		code holdfast.Code
	}{
		"rejected":  {holdfast.Rejection{Policy: "p", Code: "mine", Reason: "full", Err: full}, 1, "mine"},
		"cut short": {holdfast.Rejection{Policy: "p", Err: context.Canceled}, 0, holdfast.CodeCancelled},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		if name == "cut short" {
			cancel()
		}
		var told []holdfast.Rejection
		l := holdfast.NewListener(func(_ context.Context, e holdfast.Event) { told = append(told, e.(holdfast.Rejection)) }) //nolint:errcheck // there is no other
		h := holdfast.Chain(holdfast.PolicyFunc(func(holdfast.Handler) holdfast.Handler {
			return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
				call.Record.Listen(l)
				return call.Reject(ctx, c.r)
			}
		}))
		res := h(ctx, &holdfast.Call{Target: "t", Method: "m", Sender: senderFunc(ok)})
		if res.Err != c.r.Err || res.Class != holdfast.Ignored || res.Code != c.code || res.Attempt != 0 || len(told) != c.told {
			t.Errorf("%s: %+v, told %v", name, res, told)
		}
		for _, r := range told {
			if r.Target != "t" || r.Method != "m" || r.Reason != "full" {
				t.Errorf("%s: told %+v", name, r)
			}
		}
		cancel()
	}
}
