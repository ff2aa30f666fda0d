package prometheus

import (
	"testing"

	"github.com/holdfast-go/holdfast/internal/optiontest"
)

// T93: zero is the default, and negative is off, or what the field says.
func TestT93_EveryOptionMeansSomething(t *testing.T) {
	optiontest.Check(t, Options.filled, optiontest.Meanings{
		"Targets":   {100, 100},
		"Methods":   {100, 100},
		"Endpoints": {100, -1},
		"Native":    {1.1, -1},
	})
}
