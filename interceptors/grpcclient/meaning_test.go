package grpcclient

import (
	"testing"

	"github.com/holdfast-go/holdfast/internal/optiontest"
)

// T93: zero is the default, and negative is off, or what the field says.
func TestT93_EveryOptionMeansSomething(t *testing.T) {
	optiontest.Check(t, Wrapper.filled, optiontest.Meanings{"ReplayCap": {defaultReplayCap, -1}})
}
