package timeout_test

import (
	"testing"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/holdfasttest"
	"github.com/holdfast-go/holdfast/timeout"
)

// The contract holds however a Timeout is set up, around a call and around an
// attempt. The limits are longer than the kit's scripts: what one does that runs out is
// told by the tests beside this one.
func TestTheContractHolds(t *testing.T) {
	for name, o := range map[string]timeout.Options{
		"default":    {},
		"long":       {Limit: 2 * time.Hour},
		"idle":       {Limit: 2 * time.Hour, Idle: time.Hour},
		"idle alone": {Limit: -1, Idle: time.Hour},
		"off":        {Limit: -1, Idle: -1},
		"streams":    {Limit: 2 * time.Hour, Streams: true},
		"no floor":   {MinAttempt: -1},
		"adaptive":   {Adaptive: &timeout.Adaptive{MinSamples: -1}},
		"absurd":     {Limit: 1<<63 - 1, Idle: 1<<63 - 1, MinAttempt: 1<<63 - 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Run("whole", func(t *testing.T) {
				holdfasttest.TestPolicy(t, func() holdfast.Policy { return timeout.New(o) })
			})
			t.Run("attempt", func(t *testing.T) {
				holdfasttest.TestPolicy(t, func() holdfast.Policy {
					inner := timeout.New(o)
					return holdfast.PolicyFunc(func(next holdfast.Handler) holdfast.Handler { return claim.Wrap(inner.Wrap(next)) })
				})
			})
		})
	}
	t.Run("not made by New", func(t *testing.T) {
		holdfasttest.TestPolicy(t, func() holdfast.Policy { return new(timeout.Timeout) })
	})
}
