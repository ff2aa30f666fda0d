package holdfast_test

import (
	"context"
	"errors"
	"log/slog"
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

// sharing is a policy that shares of if it can, and notes whether it did.
func sharing(of holdfast.Hook, shared *bool, free *<-chan struct{}) holdfast.Policy {
	return holdfast.PolicyFunc(func(next holdfast.Handler) holdfast.Handler {
		return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
			res, ok, lent := call.Share(ctx, next, of)
			if *shared, *free = ok, lent; ok {
				return res
			}
			return next(ctx, call)
		}
	})
}

// A call within one that holds something shares it, one at a time, and nobody else does: not
// another call, nor one that goes on when the outer one is over, nor one of another holder. What
// is shared can be shared in turn.
func TestACallWithinACallSharesWhatThatHolds(t *testing.T) {
	p, other := new(place), new(place)
	inner := func(ctx context.Context, want, comes bool, of *place, f func(context.Context)) (free <-chan struct{}) {
		t.Helper()
		var shared bool
		_, _ = holdfast.Do(ctx, holdfast.Chain(sharing(of, &shared, &free)), holdfast.Call{Target: "inner"}, func(ctx context.Context) (int, error) {
			if f != nil {
				f(ctx)
			}
			return 0, nil
		})
		if shared != want || (free != nil) != comes {
			t.Errorf("shared: %v, want %v; it will be free: %v, want %v", shared, want, free != nil, comes)
		}
		return free
	}
	var left context.Context
	_, _ = holdfast.Do(t.Context(), holdfast.Chain(holding(other), holding(p)), holdfast.Call{Target: "outer"}, func(ctx context.Context) (int, error) {
		left = ctx
		var free <-chan struct{}
		inner(ctx, true, false, p, func(within context.Context) {
			free = inner(ctx, false, true, p, nil) // it is lent
			inner(ctx, true, false, other, nil)
			inner(within, true, false, p, func(deeper context.Context) {
				inner(deeper, true, false, p, nil) // and can be shared in turn
				inner(within, false, true, p, nil)
			})
		})
		select {
		case <-free:
		default:
			t.Error("it has come back, and nobody is told")
		}
		inner(ctx, true, false, p, nil)
		inner(t.Context(), false, false, p, nil)
		inner(context.WithoutCancel(ctx), false, false, p, nil)
		inner(ctx, false, false, new(place), nil)
		return 0, nil
	})
	inner(left, false, false, p, nil)
	if len(p.ends) != 1 || len(other.ends) != 1 {
		t.Errorf("given back %d and %d times", len(p.ends), len(other.ends))
	}
}

// What is shared is given back when the last call that has it is over, whichever that is.
func TestWhatIsSharedIsGivenBackByTheLast(t *testing.T) {
	for _, innerLast := range []bool{false, true} {
		p := new(place)
		var shared bool
		var free <-chan struct{}
		var replies []*openReply
		send := senderFunc(func(ctx context.Context, call *holdfast.Call) holdfast.Result {
			ctx = call.Context(ctx)
			if len(replies) == 0 {
				replies = append(replies, new(openReply))
				holdfast.Chain(sharing(p, &shared, &free))(ctx, &holdfast.Call{Target: "inner", Sender: call.Sender})
				return holdfast.Result{Reply: replies[0], Class: holdfast.Success}
			}
			replies = append(replies, new(openReply))
			return holdfast.Result{Reply: replies[1], Class: holdfast.Success}
		})
		holdfast.Chain(holding(p))(t.Context(), &holdfast.Call{Target: "outer", Sender: send})
		first, last := replies[1], replies[0]
		if innerLast {
			first, last = last, first
		}
		first.Discard()
		if !shared || len(p.ends) != 0 {
			t.Errorf("shared: %v; given back %d times while a call goes on", shared, len(p.ends))
		}
		last.Discard()
		if len(p.ends) != 1 || p.tokens[0] != 7 || p.ends[0].Code != "read" {
			t.Errorf("given back %v %v", p.tokens, p.ends)
		}
	}
}

// A loan that outlives its holder's attempt is none of the next one's.
func TestALoanOfAnEarlierAttempt(t *testing.T) {
	p := new(place)
	var why string
	var shared bool
	var free <-chan struct{}
	var inner []*openReply
	attempts := 0
	send := senderFunc(func(ctx context.Context, call *holdfast.Call) holdfast.Result {
		if call.Target == "inner" {
			inner = append(inner, new(openReply))
			return holdfast.Result{Reply: inner[len(inner)-1], Class: holdfast.Success}
		}
		attempts++
		ctx = call.Context(ctx)
		h := holdfast.Chain(sharing(p, &shared, &free))
		h(ctx, &holdfast.Call{Target: "inner", Sender: call.Sender})
		if !shared {
			t.Errorf("attempt %d does not lend", attempts)
		}
		if attempts == 2 {
			inner[0].Discard() // that of the first attempt
			if h(ctx, &holdfast.Call{Target: "inner", Sender: call.Sender}); shared || free == nil {
				t.Error("two share what the second attempt holds")
			}
		}
		return holdfast.Result{Err: errors.New("again"), Class: holdfast.Failure}
	})
	holdfast.Chain(repeater(&why), holding(p))(t.Context(), &holdfast.Call{Target: "outer", Repeatable: true, Sender: send})
	for _, reply := range inner {
		reply.Discard()
	}
	if attempts != 2 || len(p.ends) != 2 {
		t.Errorf("%d attempts, given back %d times", attempts, len(p.ends))
	}
}

// What shares the leave of a probe is sent once, whoever would repeat it; what else is made
// within it repeats as ever.
func TestWhatSharesAProbesLeaveIsSentOnce(t *testing.T) {
	p := new(place)
	for _, shares := range []bool{true, false} {
		h := holdfast.Chain(holdfast.PolicyFunc(func(next holdfast.Handler) holdfast.Handler {
			return func(ctx context.Context, call *holdfast.Call) holdfast.Result { return call.Probe(ctx, next, p) }
		}))
		var why string
		var shared bool
		var free <-chan struct{}
		sends := 0
		_, _ = holdfast.Do(t.Context(), h, holdfast.Call{Target: "t"}, func(ctx context.Context) (int, error) {
			policies := []holdfast.Policy{repeater(&why)}
			if shares {
				policies = append(policies, sharing(p, &shared, &free))
			}
			return holdfast.Do(ctx, holdfast.Chain(policies...), holdfast.Call{Target: "t", Repeatable: true}, func(context.Context) (int, error) { sends++; return 0, nil })
		})
		if want := map[bool]int{true: 1, false: 2}[shares]; sends != want {
			t.Errorf("it shares: %v; sent %d times, want %d: %q", shares, sends, want, why)
		}
	}
}

// A rejection is told, and answers the call; one without a Code is a wait that was cut short.
func TestARejectionAnswersTheCall(t *testing.T) {
	full := errors.New("full")
	for name, c := range map[string]struct {
		why  holdfast.Event
		told int
		code holdfast.Code
	}{
		"rejected":  {holdfast.Event{Policy: "p", Code: "mine", Reason: "full", Err: full}, 1, "mine"},
		"cut short": {holdfast.Event{Policy: "p", Err: context.Canceled}, 0, holdfast.CodeCancelled},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		if name == "cut short" {
			cancel()
		}
		var told []holdfast.Event
		l := holdfast.NewListener(func(_ context.Context, e holdfast.Event) { told = append(told, e) })
		h := holdfast.Chain(holdfast.PolicyFunc(func(holdfast.Handler) holdfast.Handler {
			return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
				call.Record.Listen(l)
				return call.Reject(ctx, c.why)
			}
		}))
		res := h(ctx, &holdfast.Call{Target: "t", Method: "m", Sender: senderFunc(ok)})
		if res.Err != c.why.Err || res.Class != holdfast.Ignored || res.Code != c.code || res.Attempt != 0 || len(told) != c.told {
			t.Errorf("%s: %+v, told %v", name, res, told)
		}
		for _, e := range told {
			if e.Kind != "rejection" || e.Level != slog.LevelWarn || e.Policy != "p" || e.Target != "t" || e.Method != "m" || e.Code != "mine" || e.Reason != "full" || e.Err != full {
				t.Errorf("%s: told %+v", name, e)
			}
		}
		cancel()
	}
}
