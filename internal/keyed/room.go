package keyed

import "strings"

// add makes an entry for a key that had none a moment ago, or returns what it shares as a late one.
// n is which late key it was, if it was.
func (t *Table[V]) add(key string, hold bool) (e *Entry[V], n uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	e, late := t.place(key, hold, false)
	if late {
		n = t.late.Add(1)
	}
	if e != nil && hold {
		e.holds.Add(1)
	}
	return e, n
}

// Keep is Hold for a key that has a place whether or not there is room, which makes the table
// larger than Max: for what people do by hand.
func (t *Table[V]) Keep(key string) *Entry[V] {
	key = Shortened(key)
	t.mu.Lock()
	defer t.mu.Unlock()
	e, _ := t.place(key, true, true)
	e.holds.Add(1)
	return e
}

// place finds the entry of key, or makes one; late reports that there was no room for one of its
// own, nor may always be made. The lock is held.
func (t *Table[V]) place(key string, hold, always bool) (e *Entry[V], late bool) {
	if own := t.m[key]; own != nil {
		return own, false
	}
	if guest := t.guest[key]; guest != nil && !always {
		return guest, true // what it has under way is counted there
	}
	room := !t.full()
	for !room && t.makeRoom() { // several times where Resize has lowered Max
		room = !t.full()
	}
	if !room && !always {
		return t.share(key, hold), true
	}
	key = strings.Clone(key) // it may be a piece of something large
	e = &Entry[V]{Value: t.New(key), key: key, at: len(t.ring)}
	if t.m == nil {
		t.m = make(map[string]*Entry[V])
	}
	t.m[key] = e
	t.ring = append(t.ring, e)
	t.last.Store(e)
	if t.other != nil && t.Moved != nil {
		t.Moved(e.Value, t.other.Value)
	}
	t.dissolve()
	return e, false
}

// share returns what late keys share, and for one that is to hold it an entry of its own; nil where
// they share nothing. The lock is held.
func (t *Table[V]) share(key string, hold bool) *Entry[V] {
	if t.Shared == nil {
		return nil
	}
	if t.other == nil {
		t.other = &Entry[V]{Value: t.Shared(), key: Other}
		t.guest = make(map[string]*Entry[V])
	}
	if !hold {
		return t.other
	}
	e := &Entry[V]{Value: t.other.Value, key: key, table: t}
	t.guest[key] = e
	return e
}

// leave takes away a late key's part that nobody holds.
func (t *Table[V]) leave(e *Entry[V]) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if e.holds.Load() == 0 && t.guest[e.key] == e {
		delete(t.guest, e.key)
	}
}

// dissolve drops what late keys share where nobody holds it and Idle lets it go. The lock is held.
func (t *Table[V]) dissolve() {
	if t.other != nil && len(t.guest) == 0 && t.idle(t.other) {
		t.other = nil
	}
}

func (t *Table[V]) idle(e *Entry[V]) bool { return t.Idle == nil || t.Idle(e.Value) }

func (t *Table[V]) full() bool { return len(t.ring) >= t.size() }

func (t *Table[V]) size() int {
	if t.Max <= 0 {
		return 1024
	}
	return t.Max
}

// makeRoom forgets an entry, if there is one that may be. The lock is held.
func (t *Table[V]) makeRoom() bool {
	for range probes {
		e := t.spare(func(e *Entry[V]) bool { return e.used.Swap(false) })
		if e == nil {
			t.hand += min(probes, len(t.ring)) // the next one asks others
			return false
		}
		if t.forget(e) {
			return true
		} // else somebody has come to hold it
	}
	return false
}

// spare returns an entry that may be forgotten: of the next few the first that was not used lately,
// else the last that is idle.
func (t *Table[V]) spare(used func(*Entry[V]) bool) (found *Entry[V]) {
	for i := range min(probes, len(t.ring)) {
		e := t.ring[(t.hand+i)%len(t.ring)]
		if e.holds.Load() != 0 || !t.idle(e) {
			continue
		}
		if found = e; !used(e) {
			break
		}
	}
	return found
}

// forget takes e out of the table, unless somebody holds it or it is idle no more; it cannot be held
// from then on. The lock is held.
func (t *Table[V]) forget(e *Entry[V]) bool {
	if !e.holds.CompareAndSwap(0, forgotten) {
		return false
	}
	if !t.idle(e) { // somebody has held it, used it and released it since it was asked
		e.holds.Add(-forgotten)
		return false
	}
	delete(t.m, e.key)
	last := t.ring[len(t.ring)-1]
	t.ring[e.at], last.at = last, e.at
	t.ring[len(t.ring)-1] = nil
	t.ring = t.ring[:len(t.ring)-1]
	t.hand = e.at
	t.last.CompareAndSwap(e, nil)
	if t.Gone != nil {
		t.Gone(e.Value)
	}
	return true
}

// Resize changes Max while the table is in use. What is too much is forgotten as far as nobody
// holds it and Idle lets it go; the rest goes as new keys come. Keys that shared a value find room
// of their own when there is some.
func (t *Table[V]) Resize(size int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.Max = size
	for i := len(t.ring) - 1; i >= 0 && len(t.ring) > t.size(); i-- {
		if e := t.ring[i]; t.idle(e) { // what takes its place was looked at already
			t.forget(e)
		}
	}
	t.hand = 0
}
