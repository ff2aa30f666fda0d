package keyed_test

import (
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast/internal/keyed"
)

// A room is what a limit keeps: it may be forgotten while nobody is inside.
type room struct {
	mu     sync.Mutex
	inside int
}

// A key never has two values that are in use at once, however often values are forgotten: who is
// inside one asked again for it while it could not be.
func TestAKeyHasOneValueAtATime(t *testing.T) {
	const keys = 4
	tab := keyed.Table[*room]{Max: keys - 1, New: func(string) *room { return new(room) }, Idle: func(r *room) bool {
		if !r.mu.TryLock() {
			return false
		}
		defer r.mu.Unlock()
		return r.inside == 0
	}}
	var inside [keys]atomic.Pointer[room]
	var wg sync.WaitGroup
	over := time.Now().Add(time.Second / 2)
	for worker := range keys - 1 { // so that there is room for each
		wg.Go(func() {
			for i := worker; time.Now().Before(over); i++ {
				k := i * (worker + 1) % keys
				r := tab.Get(strconv.Itoa(k))
				r.mu.Lock()
				if tab.Get(strconv.Itoa(k)) != r { // it was forgotten before anybody was inside
					r.mu.Unlock()
					continue
				}
				r.inside++
				r.mu.Unlock()
				if was := inside[k].Swap(r); was != nil && was != r {
					t.Errorf("key %d has two values in use", k)
				}
				r.mu.Lock()
				if r.inside--; r.inside == 0 {
					inside[k].CompareAndSwap(r, nil)
				}
				r.mu.Unlock()
			}
		})
	}
	wg.Wait()
}
