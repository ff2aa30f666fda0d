package retry

import (
	"context"

	"github.com/holdfast-go/holdfast"
)

// withdraw asks for a repeat, which is to be spent or refunded. One that was granted goes back where
// a listener panics.
func (r *Retry) withdraw(ctx context.Context, call *holdfast.Call) grant {
	g, late := r.budget.withdraw(call.Target)
	if late > 0 {
		told := false
		defer func() {
			if !told {
				g.refund()
			}
		}()
		tellLate(ctx, call, late)
		told = true
	}
	return g
}

// deposit pays in for a call that has come to res, which is let go of where a listener panics.
func (r *Retry) deposit(ctx context.Context, call *holdfast.Call, res holdfast.Result) {
	if late := r.budget.deposit(call.Target); late > 0 {
		told := false
		defer func() {
			if !told {
				res.Discard()
			}
		}()
		tellLate(ctx, call, late)
		told = true
	}
}

// tellLate tells that targets have no account of their own; late is how often they were looked for
// so far.
func tellLate(ctx context.Context, call *holdfast.Call, late uint64) {
	call.TellFull(ctx, holdfast.Event{
		Policy: "retry", Target: call.Target, Reason: "max_targets",
		Detail: "deposits and repeats find no account of their target's own; raise the Budget's MaxTargets if the targets are not of an attacker's choosing",
	}, late)
}
