package breaker

import (
	"context"

	"github.com/holdfast-go/holdfast"
)

// tellLate tells that calls have no circuit, if that is to be told now.
func tellLate(ctx context.Context, call *holdfast.Call, key string, late uint64) {
	call.TellFull(ctx, holdfast.Event{
		Policy: "breaker", Target: key, Reason: "max_keys",
		Detail: "calls find no circuit of their own; raise MaxKeys if their keys are not of an attacker's choosing",
	}, late)
}
