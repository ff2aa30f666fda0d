package httpclient

import (
	"testing"
	"time"

	"github.com/holdfast-go/holdfast/internal/optiontest"
)

// T93: zero is the default, and negative is off, or what the field says.
func TestT93_EveryOptionMeansSomething(t *testing.T) {
	optiontest.Check(t, Wrapper.filled, optiontest.Meanings{
		"ReplayCap":    {64 << 10, -1},
		"DrainBytes":   {64 << 10, -1},
		"DrainTime":    {50 * time.Millisecond, -1},
		"ConnLifetime": {-1, -1},
		"WholeBody":    {-1, -1},
		"Resume":       {-1, -1},
	})
}
