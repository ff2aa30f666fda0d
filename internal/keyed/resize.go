package keyed

// Resize changes Max while the table is in use. What is too much is forgotten as far as Idle lets
// it go; the rest goes as new keys come. Keys that shared a value find room of their own when
// there is some.
func (t *Table[V]) Resize(size int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.Max = size
	for key, e := range t.m {
		if len(t.m) <= t.size() {
			return
		}
		if t.Idle == nil || t.Idle(e.v) {
			delete(t.m, key)
			t.last.CompareAndSwap(e, nil)
		}
	}
}
