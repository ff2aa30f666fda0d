package retry

import (
	"testing"
	"time"

	"github.com/holdfast-go/holdfast/internal/optiontest"
)

// T93: zero is the default, and negative is off, or what the field says.
func TestT93_EveryOptionIsInForceAsItSays(t *testing.T) {
	optiontest.Check(t, func(o Options) Options { return New(o).Options() }, optiontest.Meanings{
		"Attempts":     {3, 1},
		"Base":         {50 * time.Millisecond, -1},
		"OverloadBase": {time.Second, 50 * time.Millisecond},
		"Cap":          {20 * time.Second, 24 * time.Hour},
		"MaxAfter":     {time.Minute, 24 * time.Hour},
		"MinAttempt":   {5 * time.Millisecond, -1},
	})
	optiontest.Check(t, func(o BudgetOptions) BudgetOptions { return NewBudget(o).Options() }, optiontest.Meanings{
		"Ratio":   {0.2, -1},
		"Min":     {5, -1},
		"Window":  {10 * time.Second, 10 * time.Second},
		"Targets": {1024, 1024},
	})
}
