package hedge

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/holdfast-go/holdfast"
)

// tellLate tells that calls have no times of their target's own; late is how many they were so far.
func tellLate(ctx context.Context, call *holdfast.Call, late uint64) {
	if call.Heard() {
		call.Tell(ctx, holdfast.Event{
			Kind: "table_full", Policy: "hedge", Level: slog.LevelWarn, Target: call.Target, Method: call.Method, Reason: "max_targets",
			Detail: fmt.Sprintf("calls that found no times of their target's own, so far: %d; raise MaxTargets if the targets are not of an attacker's choosing", late),
		})
	}
}
