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

// longest is how many bytes a name has that is told apart: a million bytes that somebody sends for
// the name of a method are no name, and a label of them would be sent with every scrape.
const longest = 512

// A Table has the names that are told apart: the first ones that came, and not those that are
// overlong. It is safe for concurrent use; Most and Clean are set before.
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
	if len(raw) > longest {
		return Other
	}
	name := raw
	if t.Clean != nil {
		name = t.Clean(raw)
	}
	name = strings.ToValidUTF8(name, "\uFFFD") // a label that is no text is refused, and a host may be none
	if t.has(name) {
		return name
	}
	if t.full() { // whoever makes up names keeps nobody waiting
		return Other
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.has(name):
		return name
	case t.full():
		return Other
	}
	old := t.known.Load()
	next := map[string]bool{name: true}
	if old != nil {
		maps.Copy(next, *old)
	}
	t.known.Store(&next)
	return name
}

func (t *Table) full() bool {
	known := t.known.Load()
	return known != nil && len(*known) >= t.Most
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
