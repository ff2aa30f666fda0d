package herald

import (
	"context"
	"runtime"
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

// A listener that panics, or exits its goroutine, keeps nobody from what has happened meanwhile.
func TestAPanicLeavesNoNews(t *testing.T) {
	for _, ends := range []func(){func() { panic("mine") }, runtime.Goexit} {
		var h Herald[int]
		var told []int
		h.Listen(func(_ context.Context, n int) {
			if n < 3 {
				h.Note(n + 1)
				ends()
			}
		})
		h.Listen(func(_ context.Context, n int) { told = append(told, n) })
		h.Note(1)
		done := make(chan any)
		go func() {
			defer func() { done <- recover() }()
			h.Tell()
		}()
		<-done
		if !slices.Equal(told, []int{1, 2, 3}) {
			t.Errorf("%v", told)
		}
		h.Note(4)
		h.Tell()
		if len(told) != 4 {
			t.Error("nothing is told any more")
		}
	}
}

// Who begins to listen is told of what happens from then on.
func TestNewsFromBeforeAreNotTold(t *testing.T) {
	var h Herald[int]
	var told []int
	h.Listen(func(_ context.Context, n int) {
		if n == 1 {
			h.Note(2)
			h.Listen(func(_ context.Context, n int) { told = append(told, n) })
			h.Note(3)
		}
	})
	h.Note(1)
	h.Tell()
	if !slices.Equal(told, []int{3}) {
		t.Errorf("%v", told)
	}
}
