package breaker

import "sync"

// maxPending bounds the changes that wait for a slow listener; the oldest are
// dropped.
const maxPending = 1024

// A herald tells listeners of changes: in order, each once, and with no lock
// held. Whoever makes a change while another is being told leaves it to the one
// who tells.
type herald struct {
	mu        sync.Mutex
	listeners map[int]func(Change)
	next      int
	pending   []Change
	telling   bool
}

// listen adds f, and returns what takes it away again.
func (h *herald) listen(f func(Change)) (stop func()) {
	if f == nil {
		return func() {}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.listeners == nil {
		h.listeners = map[int]func(Change){}
	}
	id := h.next
	h.next++
	h.listeners[id] = f
	return func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.listeners, id)
	}
}

// note takes a change in; the circuit's lock is held, so that changes are in order.
func (h *herald) note(c Change) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.listeners) == 0 {
		return
	}
	if len(h.pending) == maxPending {
		h.pending = h.pending[1:]
	}
	h.pending = append(h.pending, c)
}

// tell tells what there is to be told, unless somebody does already.
func (h *herald) tell() {
	h.mu.Lock()
	if h.telling || len(h.pending) == 0 {
		h.mu.Unlock()
		return
	}
	h.telling = true
	told := false
	defer func() {
		if !told { // by a panic, and without the lock
			h.mu.Lock()
			h.telling = false
			h.mu.Unlock()
		}
	}()
	for len(h.pending) > 0 {
		c := h.pending[0]
		h.pending = h.pending[1:]
		var to []func(Change)
		for id := range h.next { // in the order in which they came
			if f := h.listeners[id]; f != nil {
				to = append(to, f)
			}
		}
		h.mu.Unlock()
		inTurn(to, c)
		h.mu.Lock()
	}
	h.telling, told = false, true
	h.mu.Unlock()
}

// inTurn calls each listener even when an earlier one panics or exits its
// goroutine; the panic then goes on its way.
func inTurn(told []func(Change), c Change) {
	i := 0
	defer func() {
		if i < len(told) { // told[i] did not return
			inTurn(told[i+1:], c)
		}
	}()
	for ; i < len(told); i++ {
		told[i](c)
	}
}
