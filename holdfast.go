package holdfast

import (
	"context"
	"errors"
	"fmt"

	"github.com/holdfast-go/holdfast/internal/clock"
	"github.com/holdfast-go/holdfast/internal/pause"
)

// A Handler sends a Call and reports a Result. It returns promptly once ctx is
// done. See the package documentation for the whole contract.
type Handler func(ctx context.Context, call *Call) Result

// A Policy wraps a Handler to change when, whether, how long or how often it
// is called.
//
// Wrap is called once for each chain that the Policy is part of, when the chain
// is built. The Handler it returns must be safe for concurrent use. What a
// policy remembers between calls belongs to the Policy and not to that Handler,
// so that one Policy in several chains (unary calls and streams, say) has one
// state, and building a chain anew loses none.
//
// Where a Policy is a pointer, Wrap of a nil one returns next: a policy that was
// never made does nothing.
type Policy interface {
	Wrap(next Handler) Handler
}

// PolicyFunc makes a Policy of a function. A nil PolicyFunc does nothing.
type PolicyFunc func(next Handler) Handler

// Wrap calls f.
func (f PolicyFunc) Wrap(next Handler) Handler {
	if f == nil {
		return next
	}
	return f(next)
}

var (
	errNoCall   = errors.New("holdfast: the Call is nil; pass a *Call with a Sender")
	errNoSender = errors.New("holdfast: the Call has no Sender: send it through httpclient or grpcclient, or use holdfast.Do for a plain function")
)

// Chain builds the Handler that runs a call through the policies, the first one
// outermost, down to the call's own Send. Build it once and use it for every
// call; it is safe for concurrent use.
//
// A nil Policy is skipped. A Policy whose Wrap returns nil makes a Handler that
// answers every call with an error naming that policy.
func Chain(policies ...Policy) Handler {
	next := Place{}.Wrap(newChain().handler(), policies...)
	return func(ctx context.Context, call *Call) Result {
		if call == nil {
			return Result{Err: errNoCall, Class: LocalFault, Code: CodeConfig}
		}
		if call.Record == nil {
			call.Record = new(Record)
		}
		if call.Attempt == 0 {
			call.Attempt = 1
		}
		if call.Endpoint != "" {
			call.Pin(call.Endpoint) // the caller's choice holds for every attempt
		}
		return next(ctx, call)
	}
}

func wrapsNothing(i int, p Policy) error {
	return fmt.Errorf("holdfast: policy %d (%T): its Wrap returned a nil Handler", i+1, p)
}

// handler is the innermost Handler. It is no method, whose wrapper would copy each Result.
func (c *chain) handler() Handler {
	return func(ctx context.Context, call *Call) Result {
		if call.Sender == nil {
			return Result{Err: errNoSender, Class: LocalFault, Code: CodeConfig}
		}
		call.sent, call.chain = clock.Now(), c
		if call.Attempt > 1 {
			call.repeats(ctx)
		}
		w := pause.Begin(call.sent) // pauses of this process are noticed meanwhile
		defer call.left(w)
		res := call.Send(ctx, call)
		res.Attempt = call.Attempt
		if res.Class == Ignored && res.Code == CodeTimeout {
			res.Class = call.spent(ctx)
		}
		if sampled(call.sent) || c.silent.Load() > 0 {
			c.learn(call, res)
		}
		return res
	}
}

// left notes that the Sender is done with the call.
func (c *Call) left(w pause.Watch) {
	c.becomes(over)
	w.End()
}
