package keyed_test

import (
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast/internal/keyed"
)

// A room is what a limit keeps.
type room struct{ inside atomic.Int64 }

// A key never has two values that are in use at once, however often values are forgotten: one that
// is held is not.
func TestAKeyHasOneValueAtATime(t *testing.T) {
	const keys = 4
	tab := keyed.Table[*room]{Max: keys - 1, New: func(string) *room { return new(room) }}
	var inside [keys]atomic.Pointer[room]
	var wg sync.WaitGroup
	over := time.Now().Add(time.Second / 2)
	for worker := range keys - 1 { // so that there is room for each
		wg.Go(func() {
			for i := worker; time.Now().Before(over); i++ {
				k := i * (worker + 1) % keys
				e, _ := tab.Hold(strconv.Itoa(k))
				e.Value.inside.Add(1)
				if was := inside[k].Swap(e.Value); was != nil && was != e.Value {
					t.Errorf("key %d has two values in use", k)
				}
				if e.Value.inside.Add(-1) == 0 {
					inside[k].CompareAndSwap(e.Value, nil)
				}
				e.Release()
			}
		})
	}
	wg.Wait()
	if n := tab.Len(); n > keys-1 {
		t.Errorf("%d keys", n)
	}
}
