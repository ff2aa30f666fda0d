// Package keyed has a bounded table of values by key: the state that a policy
// keeps for each target.
package keyed

import (
	"crypto/sha256"
	"encoding/hex"
	"sync"
	"sync/atomic"

	"github.com/holdfast-go/holdfast/internal/names"
)

// Other is the key of what late keys share, as those who look at a table see it.
const Other = names.Other

// A Table makes a value for each key that it is asked for, and keeps at most Max of them.
// When it is full, a new key takes the place of one that nobody holds and that Idle lets
// go, of those one that was not used lately if there is one. A key for which there is no
// such place is late: late keys share one value, or have none. Set the fields before the
// table is used; Resize changes Max later.
//
// A value that is held is not forgotten: whoever must not be left with a value that
// nobody else will find calls Hold, and Release when it is done with it. Get is for those
// who can bear that, such as who only reads or learns.
type Table[V any] struct {
	New    func(key string) V
	Shared func() V            // makes what late keys share; nil: they have the zero V
	Moved  func(own, shared V) // a key gets a value of its own while others share one
	Idle   func(V) bool        // may the value be forgotten? nil: yes
	Gone   func(V)             // is told the value of a key that was forgotten; it must not call the table
	Max    int                 // 0 or less: 1024

	last  atomic.Pointer[Entry[V]] // most clients have one target
	late  atomic.Uint64
	mu    sync.RWMutex
	m     map[string]*Entry[V]
	ring  []*Entry[V]          // the same, in the order in which they are looked at to make room
	hand  int                  // the next one in it
	other *Entry[V]            // what late keys share
	guest map[string]*Entry[V] // of late keys, while they hold what they share
}

// longest bounds what is kept of a key, since it may be of an attacker's choosing.
const longest = 512

// Shortened returns the key by which a longer one is known: its beginning, and a hash of it.
func Shortened(key string) string {
	if len(key) <= longest {
		return key
	}
	sum := sha256.Sum256([]byte(key))
	return key[:longest-2*len(sum)] + hex.EncodeToString(sum[:])
}

// An Entry is a key with its value.
type Entry[V any] struct {
	Value V

	key   string
	table *Table[V] // of one that shares its value with other late keys; else nil
	at    int       // in the ring
	holds atomic.Int64
	used  atomic.Bool
}

// forgotten is, in holds, that the entry is in no table any more, however many try to hold it.
const forgotten = -1 << 62

// probes bounds how many entries are looked at to make room for one.
const probes = 16

// Get returns the value of key, made if need be; of a late key what such keys share. It is
// safe for concurrent use and allocates nothing for a key that is there.
func (t *Table[V]) Get(key string) V {
	key = Shortened(key)
	e := t.last.Load()
	if e == nil || e.key != key {
		if e = t.find(key, false); e == nil {
			e, _ = t.add(key, false)
		}
	}
	if e == nil { // late, and nothing is shared
		var none V
		return none
	}
	e.use()
	return e.Value
}

// Hold returns the entry of key, made if need be, and keeps it from being forgotten until it is
// released; nil: the key is late, and nothing is shared. A late key that holds what is shared
// stays with it until it holds it no more, so that what is under way is counted in one place.
// late is other than 0 where people are to be told that keys are late, and how often there was one:
// the first time, and each time that number has doubled.
func (t *Table[V]) Hold(key string) (e *Entry[V], late uint64) {
	key = Shortened(key)
	e = t.last.Load()
	if e == nil || e.key != key || !e.hold() {
		if e = t.find(key, true); e == nil {
			if e, late = t.add(key, true); late&(late-1) != 0 {
				late = 0
			}
		}
	}
	if e != nil {
		e.use()
	}
	return e, late
}

// HoldAgain is Hold for one who has asked before, and was counted then. To make room it begins with
// the entry of another key, which may be idle by now; "" is none.
func (t *Table[V]) HoldAgain(key, instead string) *Entry[V] {
	key, instead = Shortened(key), Shortened(instead)
	t.mu.Lock()
	defer t.mu.Unlock()
	if e := t.m[instead]; e != nil {
		t.hand = e.at
	}
	e, _ := t.place(key, true, false)
	if e != nil {
		e.holds.Add(1)
		e.use()
	}
	return e
}

// Release lets go of what Hold has returned. It may then be forgotten.
func (e *Entry[V]) Release() {
	if e.holds.Add(-1) == 0 && e.table != nil {
		e.table.leave(e)
	}
}

// Again holds e once more, for somebody else; whoever calls it holds it.
func (e *Entry[V]) Again() { e.holds.Add(1) }

// hold reports whether e could still be held.
func (e *Entry[V]) hold() bool {
	if e.holds.Add(1) > 0 {
		return true
	}
	e.holds.Add(-1)
	return false
}

func (e *Entry[V]) use() {
	if !e.used.Load() {
		e.used.Store(true)
	}
}

// find returns the entry of a key that has one.
func (t *Table[V]) find(key string, hold bool) *Entry[V] {
	t.mu.RLock()
	defer t.mu.RUnlock()
	e := t.m[key]
	if e != nil {
		t.last.Store(e) // under the lock, which whoever forgets one has alone
		if hold {
			e.holds.Add(1)
		}
	}
	return e
}

// Find returns the value of key where there is one, and makes none. While late keys share
// one, that is the value of a key that has none of its own and would find no room.
func (t *Table[V]) Find(key string) (v V, ok bool) {
	key = Shortened(key)
	t.mu.RLock()
	defer t.mu.RUnlock()
	if e := t.m[key]; e != nil {
		return e.Value, true
	}
	if t.other != nil && (t.guest[key] != nil || t.full() && t.spare(func(e *Entry[V]) bool { return e.used.Load() }) == nil) {
		return t.other.Value, true
	}
	return v, false
}

// Each calls f for each key and value, in no order, until f returns false. What late keys share
// is there as Other.
func (t *Table[V]) Each(f func(key string, v V) bool) {
	t.mu.RLock()
	entries := make([]*Entry[V], 0, len(t.ring)+1)
	entries = append(entries, t.ring...)
	if t.other != nil {
		entries = append(entries, t.other)
	}
	t.mu.RUnlock()
	for _, e := range entries {
		if !f(e.key, e.Value) {
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

// Late returns how often a key was asked for that found no room, since there is the table.
func (t *Table[V]) Late() uint64 { return t.late.Load() }
