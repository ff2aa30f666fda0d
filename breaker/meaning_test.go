package breaker

import (
	"testing"
	"time"

	"github.com/holdfast-go/holdfast/internal/optiontest"
)

// T93: zero is the default, and negative is off, or what the field says.
func TestT93_EveryOptionMeansSomething(t *testing.T) {
	optiontest.Check(t, func(o Options) Options { return New(o).Options() }, optiontest.Meanings{
		"MaxKeys":                      {1024, 1024},
		"FailureRatio":                 {0.7, -1},
		"Window":                       {10 * time.Second, 10 * time.Second},
		"MinSamples":                   {20, 1},
		"ConsecutiveFailures":          {5, -1},
		"ConsecutiveFailuresUnderLoad": {50, -1},
		"SlowDuration":                 {-1, -1},
		"SlowRatio":                    {0.7, -1},
		"OpenDuration":                 {200 * time.Millisecond, -1},
		"MaxOpenDuration":              {time.Minute, 24 * time.Hour},
		"MaxRetryAfter":                {5 * time.Minute, -1},
		"ProbeTimeout":                 {10 * time.Second, -1},
	})
}
