package timeout

import (
	"context"

	"github.com/holdfast-go/holdfast"
)

// tellLate tells that calls have no adaptive limit of their target's own, if that is to be told now.
func tellLate(ctx context.Context, call *holdfast.Call, late uint64) {
	call.TellFull(ctx, holdfast.Event{
		Policy: "timeout", Target: call.Target, Reason: "max_targets",
		Detail: "calls find no adaptive limit of their target's own, and have that of Options",
	}, late)
}
