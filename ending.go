package holdfast

import (
	"slices"
	"sync"
	"sync/atomic"
)

// An Ending keeps the hooks of a Reply and runs them once, at its end. It is
// what a transport builds its Reply on. The zero Ending is ready; it is safe for
// concurrent use and must not be copied.
type Ending struct {
	mu      sync.Mutex
	done    atomic.Bool // written under mu
	watched atomic.Bool // some hook is a ProgressHook
	n       int32
	inline  [5]hooked // what most chains need, without an allocation
	more    *[]hooked
	end     End
}

type hooked struct {
	hook  Hook
	token uint64
}

// OnDone registers h, or runs it at once when the end has come. A nil h is
// ignored.
func (e *Ending) OnDone(h Hook, token uint64) {
	if h == nil {
		return
	}
	e.mu.Lock()
	if e.done.Load() {
		e.mu.Unlock()
		h.Done(token, e.end) // which nobody writes any more
		return
	}
	if int(e.n) < len(e.inline) {
		e.inline[e.n] = hooked{h, token}
		e.n++
	} else {
		more := []hooked{{h, token}}
		if e.more != nil {
			more = append(slices.Clip(*e.more), more...) // whoever runs through the old one is not disturbed
		}
		e.more = &more
	}
	if _, ok := h.(ProgressHook); ok {
		e.watched.Store(true)
	}
	e.mu.Unlock()
}

// rest are the hooks that found no room inline.
func (e *Ending) rest() []hooked {
	if e.more == nil {
		return nil
	}
	return *e.more
}

// Finish brings the end and runs the hooks, on this goroutine. Only the first
// call does anything; it alone returns true.
func (e *Ending) Finish(end End) bool {
	if e.done.Load() {
		return false
	}
	e.mu.Lock()
	if e.done.Load() {
		e.mu.Unlock()
		return false
	}
	e.end = end
	e.done.Store(true)
	e.mu.Unlock() // nothing is written to the hooks once done is set
	if e.more != nil {
		defer runHooks(*e.more, end)
	}
	if e.n > 0 {
		runHooks(e.inline[:e.n], end)
	}
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
func (e *Ending) Finished() bool { return e.done.Load() }

// Progress tells the hooks that are ProgressHooks that the reader has begun to wait
// for the server, or that something has arrived. Without such it costs one
// atomic load.
func (e *Ending) Progress(waiting bool) {
	if !e.watched.Load() || e.done.Load() {
		return
	}
	e.mu.Lock()
	inline, rest := e.inline[:e.n], e.rest()
	e.mu.Unlock()
	progress(inline, waiting)
	progress(rest, waiting)
}

func progress(hooks []hooked, waiting bool) {
	for _, h := range hooks {
		if w, ok := h.hook.(ProgressHook); ok {
			w.Progress(h.token, waiting)
		}
	}
}
