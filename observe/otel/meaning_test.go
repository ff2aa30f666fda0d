package otel

import (
	"testing"

	"github.com/holdfast-go/holdfast/internal/optiontest"
)

// T93: zero is the default, and negative is off, or what the field says.
func TestT93_EveryOptionMeansSomething(t *testing.T) {
	optiontest.Check(t, Options.filled, optiontest.Meanings{"MaxTargets": {100, 100}, "MaxMethods": {100, 100}})
}
