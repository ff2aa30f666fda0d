// Package keyed has a bounded table of values by key: the state that a policy
// keeps for each target.
package keyed

import (
	"sync"
	"sync/atomic"
)

// A Table makes a value for each key that it is asked for, and keeps at most Max
// of them. When it is full, a new key takes the place of one that was not used
// lately and that Idle lets go; when there is none among those it looked at, all
// further keys share one value. Set the fields before the first Get; Resize changes Max later.
type Table[V any] struct {
	New  func(key string) V
	Idle func(V) bool // may the value be forgotten? nil: yes
	Max  int          // 0 or less: 1024

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
		e = t.m[key]
		t.mu.RUnlock()
		if e == nil {
			e = t.add(key)
		}
		if e.key == key { // and not the one that late keys share
			t.last.Store(e)
		}
	}
	if !e.used.Load() {
		e.used.Store(true)
	}
	return e.v
}

// Find returns the value of key where there is one, and makes none.
func (t *Table[V]) Find(key string) (v V, ok bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if e := t.m[key]; e != nil {
		return e.v, true
	}
	return v, false
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
	for len(t.m) >= t.size() { // twice where Resize has lowered it
		if t.makeRoom() {
			continue
		}
		if t.other == nil {
			t.other = &entry[V]{v: t.New("")}
			t.other.used.Store(true)
		}
		return t.other
	}
	e := &entry[V]{key: key, v: t.New(key)}
	t.m[key] = e
	return e
}

func (t *Table[V]) size() int {
	if t.Max <= 0 {
		return 1024
	}
	return t.Max
}

// makeRoom drops one entry: of a few taken at random the first that was not used
// since it was last looked at, else the last that is idle.
func (t *Table[V]) makeRoom() bool {
	var found *entry[V]
	n := 0
	for _, e := range t.m {
		if t.Idle == nil || t.Idle(e.v) {
			found = e
			if !e.used.Swap(false) {
				break
			}
		}
		if n++; n == probes {
			break
		}
	}
	if found == nil {
		return false
	}
	delete(t.m, found.key)
	t.last.CompareAndSwap(found, nil)
	return true
}

// Each calls f for each key and value, in no order, until f returns false.
func (t *Table[V]) Each(f func(key string, v V) bool) {
	t.mu.RLock()
	entries := make([]*entry[V], 0, len(t.m))
	for _, e := range t.m {
		entries = append(entries, e)
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
