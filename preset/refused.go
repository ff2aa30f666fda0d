package preset

import (
	"context"
	"fmt"

	"github.com/holdfast-go/holdfast"
)

// refused stands in the place of the policies of a Config that Validate refuses.
type refused struct{ why error }

var _ holdfast.Policy = refused{}

// Wrap returns a Handler that answers every call with what is wrong with the Config.
func (r refused) Wrap(holdfast.Handler) holdfast.Handler {
	return func(context.Context, *holdfast.Call) holdfast.Result {
		return holdfast.Result{Err: r.why, Class: holdfast.LocalFault, Code: holdfast.CodeConfig}
	}
}

// Traits names it.
func (refused) Traits() holdfast.Traits { return holdfast.Traits{Name: "refused"} }

// Policies makes the policies of c, the outermost first. Make them once and keep them:
// what they remember is theirs.
//
// Those of a Config that Validate refuses are one policy, which sends nothing and answers
// every call with that error (code "config"), and of which Misplaced tells too: a mistake
// shows in the first call. NewStack returns the error instead.
func (c Config) Policies() []holdfast.Policy {
	if err := c.Validate(); err != nil {
		return []holdfast.Policy{refused{fmt.Errorf("preset: the Config of these policies is refused: %w", err)}}
	}
	return build(c, nil).list()
}
