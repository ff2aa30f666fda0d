package holdfast

import (
	"sync"
	"sync/atomic"
)

// An Ending keeps the hooks of a Reply and runs them once, at its end. It is
// what a transport builds its Reply on. The zero Ending is ready; it is safe for
// concurrent use and must not be copied.
type Ending struct {
	mu       sync.Mutex
	done     bool
	end      End
	n        int
	inline   [4]hooked // what most chains need, without an allocation
	more     []hooked
	watched  atomic.Bool
	watchers []watched
	room     [1]watched
}

type hooked struct {
	hook  Hook
	token uint64
}

type watched struct {
	watcher Watcher
	token   uint64
}

// OnDone registers h, or runs it at once when the end has come. A nil h is
// ignored.
func (e *Ending) OnDone(h Hook, token uint64) {
	if h == nil {
		return
	}
	e.mu.Lock()
	if e.done {
		end := e.end
		e.mu.Unlock()
		h.Done(token, end)
		return
	}
	if e.n < len(e.inline) {
		e.inline[e.n] = hooked{h, token}
		e.n++
	} else {
		e.more = append(e.more, hooked{h, token})
	}
	if w, ok := h.(Watcher); ok {
		if e.watchers == nil {
			e.watchers = e.room[:0]
		}
		e.watchers = append(e.watchers, watched{w, token})
		e.watched.Store(true)
	}
	e.mu.Unlock()
}

// Finish brings the end and runs the hooks, on this goroutine. Only the first
// call does anything; it alone returns true.
func (e *Ending) Finish(end End) bool {
	e.mu.Lock()
	if e.done {
		e.mu.Unlock()
		return false
	}
	e.done, e.end = true, end
	n, more := e.n, e.more
	e.mu.Unlock() // nothing is written to the hooks once done is set
	defer runHooks(more, end)
	runHooks(e.inline[:n], end)
	return true
}

// runHooks runs each hook even when an earlier one panics or exits its
// goroutine; the panic then goes on its way.
func runHooks(hooks []hooked, end End) {
	i := 0
	defer func() {
		if i < len(hooks) { // hooks[i] did not return
			runHooks(hooks[i+1:], end)
		}
	}()
	for ; i < len(hooks); i++ {
		hooks[i].hook.Done(hooks[i].token, end)
	}
}

// Finished reports whether the end has come.
func (e *Ending) Finished() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.done
}

// Progress tells the hooks that are Watchers that the reader has begun to wait
// for the server, or that something has arrived. Without Watchers it costs one
// atomic load.
func (e *Ending) Progress(waiting bool) {
	if !e.watched.Load() {
		return
	}
	e.mu.Lock()
	watchers, done := e.watchers, e.done
	e.mu.Unlock()
	if done {
		return
	}
	for _, w := range watchers {
		w.watcher.Progress(w.token, waiting)
	}
}
