package breaker

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/holdfast-go/holdfast"
)

// tellLate tells that calls have no circuit, if that is to be told now; late is how many they were
// so far.
func tellLate(ctx context.Context, call *holdfast.Call, key string, late uint64) {
	if late == 0 || !call.Heard() {
		return
	}
	call.Tell(ctx, holdfast.Event{
		Kind: "table_full", Policy: "breaker", Level: slog.LevelWarn, Target: key, Method: call.Method, Reason: "max_keys",
		Detail: fmt.Sprintf("calls that found no circuit of their own, so far: %d; raise MaxKeys if their keys are not of an attacker's choosing", late),
	})
	call.Waited() // for listeners, if they are slow
}
