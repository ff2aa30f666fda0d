package herald

import (
	"context"
	"slices"
	"testing"
)

// News come in order, each once, to all who listen; what waits is bounded.
func TestNewsAreToldInOrderAndBounded(t *testing.T) {
	var h Herald[int]
	h.Note(0) // nobody listens
	h.Tell()
	var told, others []int
	stop := h.Listen(func(_ context.Context, n int) {
		told = append(told, n)
		if n == 1 { // while it is told, more comes than can wait
			for i := range 2 * maxPending {
				h.Note(2 + i)
			}
			h.Tell() // is left to who tells
		}
	})
	h.Listen(func(_ context.Context, n int) { others = append(others, n) })
	h.Listen(nil)()
	h.Note(1)
	h.Tell()
	if len(told) != 1+maxPending || told[0] != 1 || told[len(told)-1] != 1+2*maxPending || !slices.IsSorted(told) || !slices.Equal(told, others) {
		t.Errorf("%d told, the last is %d; others %d", len(told), told[len(told)-1], len(others))
	}
	stop()
	stop()
	h.Note(9)
	h.Tell()
	if len(told) != 1+maxPending || others[len(others)-1] != 9 {
		t.Error("who has stopped is told, or another is not")
	}
}
