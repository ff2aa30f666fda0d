package discovery

import (
	"testing"
	"time"

	"github.com/holdfast-go/holdfast/internal/optiontest"
)

// T93: zero is the default, and negative is off, or what the field says.
func TestT93_EveryOptionMeansSomething(t *testing.T) {
	optiontest.Check(t, PollOptions.filled, optiontest.Meanings{
		"Interval":    {30 * time.Second, 30 * time.Second},
		"MinInterval": {time.Second, -1},
		"Timeout":     {5 * time.Second, -1},
	})
	optiontest.Check(t, DNSOptions.filled, optiontest.Meanings{
		"Interval":    {30 * time.Second, 30 * time.Second},
		"MinInterval": {time.Second, -1},
		"Timeout":     {5 * time.Second, -1},
		"MaxTTL":      {5 * time.Minute, 24 * time.Hour},
	})
}
