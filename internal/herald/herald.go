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
	noted     uint64 // how many news there were
	telling   bool
}

// A listener is told of news. They belong to no call, and come with no context of one.
type listener[T any] struct {
	f     func(context.Context, T)
	since uint64 // how many there had been before
}

// Listen adds f, and returns what takes it away again.
func (h *Herald[T]) Listen(f func(context.Context, T)) (stop func()) {
	if f == nil {
		return func() {}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	own := &listener[T]{f, h.noted}
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
	h.noted++
}

// Tell tells what there is to be told, unless somebody does already. No lock is held.
func (h *Herald[T]) Tell() {
	h.mu.Lock()
	busy := h.telling || len(h.pending) == 0
	h.telling = h.telling || !busy
	h.mu.Unlock()
	if !busy {
		h.tell()
	}
}

// Telling reports whether somebody is being told. A listener finds it so.
func (h *Herald[T]) Telling() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.telling
}

// tell goes on with the next news when a listener panics or exits its goroutine: nobody else
// would tell them.
func (h *Herald[T]) tell() {
	over := false
	defer func() {
		if !over {
			h.tell()
		}
	}()
	for {
		news, n, to := h.next()
		if n == 0 {
			break
		}
		inTurn(to, news, n)
	}
	over = true
}

// next returns the oldest news, their number and who listens; no number: there are none.
func (h *Herald[T]) next() (news T, n uint64, to []*listener[T]) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.pending) == 0 {
		h.telling = false
		return news, 0, nil
	}
	news, n = h.pending[0], h.noted-uint64(len(h.pending))+1
	h.pending = h.pending[1:]
	return news, n, h.listeners
}

// inTurn calls each listener that was there before the news, even when an earlier one panics or
// exits its goroutine; the panic then goes on its way.
func inTurn[T any](told []*listener[T], news T, n uint64) {
	i := 0
	defer func() {
		if i < len(told) { // told[i] did not return
			inTurn(told[i+1:], news, n)
		}
	}()
	for ; i < len(told); i++ {
		if told[i].since < n {
			told[i].f(context.Background(), news)
		}
	}
}
