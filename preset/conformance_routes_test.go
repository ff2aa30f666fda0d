package preset_test

import (
	"testing"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/holdfasttest"
	"github.com/holdfast-go/holdfast/preset"
)

// A Stack keeps the contract of policies, also where its calls have a route.
func TestAStackWithRoutesConforms(t *testing.T) {
	for name, match := range map[string]string{"on a route": "/", "on none": "nowhere.internal/"} {
		t.Run(name, func(t *testing.T) {
			holdfasttest.TestPolicy(t, func() holdfast.Policy {
				c := preset.Standard()
				c.Retry.InitialInterval = time.Millisecond
				c.Routes = []preset.Route{attemptsOf(2, match)}
				return stackOf(t, c)
			})
		})
	}
}
