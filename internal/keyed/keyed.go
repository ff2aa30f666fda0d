// Package keyed has a bounded table of values by key: the state that a policy
// keeps for each target.
package keyed

import (
	"sync"
	"sync/atomic"

	"github.com/holdfast-go/holdfast/internal/names"
)

// Other is the key of what late keys share, as those who look at a table see it.
const Other = names.Other

// A Table makes a value for each key that it is asked for, and keeps at most Max
// of them. When it is full, a new key takes the place of one that was not used
// lately and that Idle lets go; when there is none among those it looked at, all
// further keys share one value, until there is room again and that one is idle too.
// Set the fields before the first Get; Resize changes Max later.
type Table[V any] struct {
	New    func(key string) V
	Shared func() V     // makes what late keys share; nil: New(Other)
	Idle   func(V) bool // may the value be forgotten? nil: yes
	Max    int          // 0 or less: 1024

	last  atomic.Pointer[entry[V]] // most clients have one target
	mu    sync.RWMutex
	m     map[string]*entry[V]
	other *entry[V]
}

type entry[V any] struct {
	key  string
	v    V
	used atomic.Bool
}

// probes bounds how many entries are looked at to make room for one.
const probes = 16

// Get returns the value of key, made if need be. It is safe for concurrent use
// and allocates nothing for a key that is there.
func (t *Table[V]) Get(key string) V {
	e := t.last.Load()
	if e == nil || e.key != key {
		t.mu.RLock()
		if e = t.m[key]; e != nil {
			t.last.Store(e) // under the lock, which whoever forgets one has alone
		}
		t.mu.RUnlock()
		if e == nil {
			e = t.add(key)
		}
	}
	if !e.used.Load() {
		e.used.Store(true)
	}
	return e.v
}

// Find returns the value of key where there is one, and makes none. While late keys share
// one, that is the value of a key that has none of its own and would find no room.
func (t *Table[V]) Find(key string) (v V, ok bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if e := t.m[key]; e != nil {
		return e.v, true
	}
	if t.other != nil && t.full() && t.spare(func(e *entry[V]) bool { return e.used.Load() }) == nil {
		return t.other.v, true
	}
	return v, false
}

func (t *Table[V]) full() bool { return len(t.m) >= t.size() }

func (t *Table[V]) size() int {
	if t.Max <= 0 {
		return 1024
	}
	return t.Max
}

func (t *Table[V]) add(key string) *entry[V] {
	t.mu.Lock()
	defer t.mu.Unlock()
	if e := t.m[key]; e != nil {
		return e
	}
	if t.m == nil {
		t.m = make(map[string]*entry[V])
	}
	for t.full() { // twice where Resize has lowered it
		if t.makeRoom() {
			continue
		}
		if t.other == nil {
			t.other = &entry[V]{key: Other, v: t.shared()}
			t.other.used.Store(true)
		}
		return t.other
	}
	e := &entry[V]{key: key, v: t.New(key)}
	t.m[key] = e
	t.last.Store(e)
	return e
}

func (t *Table[V]) shared() V {
	if t.Shared != nil {
		return t.Shared()
	}
	return t.New(Other)
}

// makeRoom drops an entry, and what late keys have shared where that is idle too: nobody would
// find it again.
func (t *Table[V]) makeRoom() bool {
	found := t.spare(func(e *entry[V]) bool { return e.used.Swap(false) })
	if found == nil {
		return false
	}
	delete(t.m, found.key)
	t.last.CompareAndSwap(found, nil)
	if t.other != nil && (t.Idle == nil || t.Idle(t.other.v)) {
		t.other = nil
	}
	return true
}

// spare returns an entry that may be dropped: of a few taken at random the first that was not
// used lately, else the last that is idle.
func (t *Table[V]) spare(used func(*entry[V]) bool) (found *entry[V]) {
	n := 0
	for _, e := range t.m {
		if t.Idle == nil || t.Idle(e.v) {
			found = e
			if !used(e) {
				break
			}
		}
		if n++; n == probes {
			break
		}
	}
	return found
}

// Each calls f for each key and value, in no order, until f returns false. What late keys share
// is there as Other.
func (t *Table[V]) Each(f func(key string, v V) bool) {
	t.mu.RLock()
	entries := make([]*entry[V], 0, len(t.m)+1)
	for _, e := range t.m {
		entries = append(entries, e)
	}
	if t.other != nil {
		entries = append(entries, t.other)
	}
	t.mu.RUnlock()
	for _, e := range entries {
		if !f(e.key, e.v) {
			return
		}
	}
}

// Len returns how many keys are kept.
func (t *Table[V]) Len() int {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return len(t.m)
}
