package holdfasttest

import (
	"context"
	"time"

	"github.com/holdfast-go/holdfast"
)

// flood is how many calls are under way at once while a policy is to reject some.
const flood = 40

// runEventCheck checks that a policy tells of its events, and of changes of its state, with no
// lock held. It runs in real time and outside of bubbles, where a goroutine that waits for a
// lock can be seen.
func runEventCheck(t tb, policy func() holdfast.Policy) {
	t.Helper()
	if policy == nil {
		return
	}
	checkReentry(t, patience/50, "an event was told with a lock held: a call made by its listener was not answered until the listener had returned",
		func(callback func()) (holdfast.Policy, []holdfast.Policy) {
			p := policy()
			if p == nil {
				return nil, nil
			}
			listener := holdfast.NewListener(func(context.Context, holdfast.Event) { callback() })
			if o, ok := p.(holdfast.Observable); ok {
				o.Observe(func(context.Context, holdfast.Event) { callback() })
			}
			return p, []holdfast.Policy{holdfast.PolicyFunc(func(next holdfast.Handler) holdfast.Handler {
				return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
					call.Record.Listen(listener)
					return next(ctx, call)
				}
			}), p}
		})
}

// crowd makes many calls that fail, and many that are under way at once, so that a policy which
// rejects some does.
func crowd(handler holdfast.Handler) {
	send := func(step Step) holdfast.Result {
		ctx, cancel := context.WithTimeout(context.Background(), patience/time.Duration(flood)/10)
		defer cancel()
		return (&Script{Steps: []Step{step}}).Do(ctx, handler, holdfast.Call{Target: "target"})
	}
	var open []*Reply
	for range flood {
		send(Step{Err: errScript}).Discard()
		if reply, ok := send(Step{Open: true}).Reply.(*Reply); ok {
			open = append(open, reply)
		}
	}
	for _, reply := range open {
		reply.Finish(reply.End(nil))
	}
}
