// Package names says what things are called, and bounds the names that become labels.
package names

import (
	"fmt"
	"maps"
	"strings"
	"sync"
	"sync/atomic"
)

// Other is the name of what came when there was no room.
const Other = "other"

// A Table has the names that are told apart: the first ones that came. It is safe for
// concurrent use; Most and Clean are set before.
type Table struct {
	Most  int
	Clean func(string) string // what a name is written as; nil: as it is

	known atomic.Pointer[map[string]bool] // never changed in place
	mu    sync.Mutex
}

// Of returns the name that stands for raw: its own, or Other. Other is its own, and takes no place.
func (t *Table) Of(raw string) string {
	if raw == Other || t.has(raw) {
		return raw
	}
	name := raw
	if t.Clean != nil {
		name = t.Clean(raw)
	}
	name = strings.ToValidUTF8(name, "\uFFFD") // a label that is no text is refused, and a host may be none
	t.mu.Lock()
	defer t.mu.Unlock()
	old := t.known.Load()
	switch {
	case t.has(name):
		return name
	case old != nil && len(*old) >= t.Most:
		return Other
	}
	next := map[string]bool{name: true}
	if old != nil {
		maps.Copy(next, *old)
	}
	t.known.Store(&next)
	return name
}

func (t *Table) has(name string) bool {
	known := t.known.Load()
	return known != nil && (*known)[name]
}

// Own returns what v calls itself by a String method, or its type: its fields may hold
// what is nobody's business.
func Own(v any) string {
	if s, ok := v.(fmt.Stringer); ok {
		return s.String()
	}
	return fmt.Sprintf("%T", v)
}
