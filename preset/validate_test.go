package preset_test

import (
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast/preset"
)

// The limit of attempts that a preset has, and the default, give way to a shorter limit of the call;
// one that somebody has set does not.
func TestOnlyALimitOfAttemptsThatWasSetMustFit(t *testing.T) {
	for name, c := range map[string]struct {
		base   preset.Config
		limit  time.Duration
		refuse bool
	}{
		"that of the preset": {preset.Standard(), 10 * time.Second, false},
		"the default":        {preset.Config{}, 0, false},
		"one that was set":   {preset.Standard(), 2 * time.Second, true},
		"set, no preset":     {preset.Config{}, 10 * time.Second, true},
	} {
		c.base.Timeout.Limit, c.base.Attempt.Limit = time.Second, c.limit
		if err := c.base.Validate(); c.refuse != (err != nil) || err != nil && !strings.Contains(err.Error(), "attempt.limit: "+c.limit.String()+" is longer") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
