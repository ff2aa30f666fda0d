package retry

import (
	"context"
	"fmt"
	"log/slog"

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
	if call.Heard() {
		call.Tell(ctx, holdfast.Event{
			Kind: "table_full", Policy: "retry", Level: slog.LevelWarn, Target: call.Target, Method: call.Method, Reason: "max_targets",
			Detail: fmt.Sprintf("deposits and repeats that found no account of their target's own, so far: %d; raise the Budget's MaxTargets if the targets are not of an attacker's choosing", late),
		})
	}
}
