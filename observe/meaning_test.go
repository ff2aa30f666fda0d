package observe

import (
	"testing"
	"time"

	"github.com/holdfast-go/holdfast/internal/optiontest"
)

// T93: zero is the default, and negative is off, or what the field says.
func TestT93_EveryOptionMeansSomething(t *testing.T) {
	optiontest.Check(t, LogOptions.filled, optiontest.Meanings{"Interval": {10 * time.Second, -1}})
}
