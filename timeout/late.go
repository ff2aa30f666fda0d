package timeout

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/holdfast-go/holdfast"
)

// tellLate tells that calls have no adaptive limit of their target's own; late is how many they
// were so far.
func tellLate(ctx context.Context, call *holdfast.Call, late uint64) {
	if !call.Heard() {
		return
	}
	call.Tell(ctx, holdfast.Event{
		Kind: "table_full", Policy: "timeout", Level: slog.LevelWarn, Target: call.Target, Method: call.Method, Reason: "max_targets",
		Detail: fmt.Sprintf("calls that found no adaptive limit of their target's own, and have that of Options, so far: %d", late),
	})
	call.Waited() // for listeners, if they are slow
}
