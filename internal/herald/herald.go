// Package herald tells listeners what happens: in order, each thing once, with no
// lock held.
package herald

import (
	"context"
	"slices"
	"sync"
)

// maxPending bounds the news that wait for a slow listener; the oldest are dropped.
const maxPending = 1024

// A Herald tells listeners of news. Whoever makes news while others are being told
// leaves them to the one who tells. The zero Herald is ready and has no listeners.
type Herald[T any] struct {
	mu        sync.Mutex
	listeners []*listener[T] // in the order in which they came; never changed in place
	pending   []T
	telling   bool
}

// A listener is told of news. They belong to no call, and come with no context of one.
type listener[T any] func(context.Context, T)

// Listen adds f, and returns what takes it away again.
func (h *Herald[T]) Listen(f func(context.Context, T)) (stop func()) {
	if f == nil {
		return func() {}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	own := (*listener[T])(&f)
	h.listeners = append(slices.Clip(h.listeners), own)
	return func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.listeners = slices.DeleteFunc(slices.Clone(h.listeners), func(other *listener[T]) bool { return other == own })
	}
}

// Note takes news in, if anybody listens. The caller holds the lock of what they are
// about, so that they are in order.
func (h *Herald[T]) Note(news T) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.listeners) == 0 {
		return
	}
	if len(h.pending) == maxPending {
		h.pending = h.pending[1:]
	}
	h.pending = append(h.pending, news)
}

// Tell tells what there is to be told, unless somebody does already. No lock is held.
func (h *Herald[T]) Tell() {
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
		news := h.pending[0]
		h.pending = h.pending[1:]
		to := h.listeners
		h.mu.Unlock()
		inTurn(to, news)
		h.mu.Lock()
	}
	h.telling, told = false, true
	h.mu.Unlock()
}

// inTurn calls each listener even when an earlier one panics or exits its
// goroutine; the panic then goes on its way.
func inTurn[T any](told []*listener[T], news T) {
	i := 0
	defer func() {
		if i < len(told) { // told[i] did not return
			inTurn(told[i+1:], news)
		}
	}()
	for ; i < len(told); i++ {
		(*told[i])(context.Background(), news)
	}
}
