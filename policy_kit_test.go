package holdfast_test

import (
	"testing"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/holdfasttest"
)

// The policy that the documentation shows is one.
func TestTheExampleKeepsTheContract(t *testing.T) {
	holdfasttest.TestPolicy(t, func() holdfast.Policy { return newPlaces(100, time.Second) })
}
