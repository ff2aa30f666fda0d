package retry

import (
	"testing"
	"time"

	"github.com/holdfast-go/holdfast/internal/optiontest"
)

// T93: zero is the default, and negative is off, or what the field says.
func TestT93_EveryOptionIsInForceAsItSays(t *testing.T) {
	optiontest.Check(t, func(o Options) Options { return New(o).Options() }, optiontest.Meanings{
		"MaxAttempts":      {3, 1},
		"InitialInterval":  {50 * time.Millisecond, -1},
		"OverloadInterval": {time.Second, 50 * time.Millisecond},
		"MaxInterval":      {20 * time.Second, 24 * time.Hour},
		"MaxRetryAfter":    {time.Minute, 24 * time.Hour},
		"MinAttempt":       {5 * time.Millisecond, -1},
	})
	optiontest.Check(t, func(o BudgetOptions) BudgetOptions { return NewBudget(o).Options() }, optiontest.Meanings{
		"Ratio":      {0.2, -1},
		"Min":        {5, -1},
		"Window":     {10 * time.Second, 10 * time.Second},
		"MaxTargets": {1024, 1024},
	})
}
