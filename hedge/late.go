package hedge

import (
	"context"

	"github.com/holdfast-go/holdfast"
)

// tellLate tells that calls have no times of their target's own, if that is to be told now.
func tellLate(ctx context.Context, call *holdfast.Call, late uint64) {
	call.TellFull(ctx, holdfast.Event{
		Policy: "hedge", Target: call.Target, Reason: "max_targets",
		Detail: "calls find no times of their target's own; raise MaxTargets if the targets are not of an attacker's choosing",
	}, late)
}
