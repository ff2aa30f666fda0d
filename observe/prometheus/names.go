package prometheus

import (
	"sync"
	"sync/atomic"

	"github.com/holdfast-go/holdfast/observe"
)

// other is the name of what came when there was no room.
const other = "other"

// names are those that have series of their own: the first ones that came.
type names struct {
	most  int
	known atomic.Pointer[map[string]bool] // never changed in place
	mu    sync.Mutex
}

// of returns the name that stands for raw: its own, without credentials and queries, or
// other.
func (n *names) of(raw string) string {
	if n.has(raw) {
		return raw
	}
	name := observe.Name(raw)
	if name == raw {
		name = raw // its own string
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	switch {
	case n.has(name):
		return name
	case n.known.Load() != nil && len(*n.known.Load()) >= n.most:
		return other
	}
	next := map[string]bool{name: true}
	if old := n.known.Load(); old != nil {
		for k := range *old {
			next[k] = true
		}
	}
	n.known.Store(&next)
	return name
}

func (n *names) has(name string) bool {
	known := n.known.Load()
	return known != nil && (*known)[name]
}
