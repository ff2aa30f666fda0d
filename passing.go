package holdfast

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/holdfast-go/holdfast/internal/attempt"
)

// A passing is a call that has passed a Gate: an entry in the list of those under way, the Hook
// that takes it off, and the context by which it can be ended. It is a part of the Record, so that
// it costs no allocation.
type passing struct {
	attempt.Context

	gate         *Gate
	of           *Record
	next, before *passing
	outer        *passing // of an earlier gate; nil: none
	shard        uint8

	mu   sync.Mutex // of wait
	wait []*waiting
}

// A waiting is a wait that ends when the gate is closed.
type waiting struct{ cancel context.CancelCauseFunc }

type passingKey struct{}

var _ context.Context = (*passing)(nil)

// A leaving is a passing as the Hook that takes it off the list.
type leaving passing

// Done takes the call off the list: it is over.
func (l *leaving) Done(uint64, End) {
	p := (*passing)(l)
	p.End(nil)
	p.gate.leave(p)
}

// passingOf returns what c has passed last; nil: no Gate. A call that is made within c, and has
// another Record, has not passed it.
func passingOf(ctx context.Context, c *Call) *passing {
	if p, ok := ctx.Value(passingKey{}).(*passing); ok && p.of == c.Record {
		return p
	}
	return nil
}

// waits adds a wait, which ends at once where the gate is closed already.
func (p *passing) waits(w *waiting) {
	p.mu.Lock()
	p.wait = append(p.wait, w)
	p.mu.Unlock()
	if p.gate.shut.Load() {
		w.cancel(ErrClosed)
	}
}

// waited takes it off again.
func (p *passing) waited(w *waiting) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wait = slices.DeleteFunc(p.wait, func(other *waiting) bool { return other == w })
}

// release ends the waits.
func (p *passing) release() {
	p.mu.Lock()
	wait := slices.Clone(p.wait)
	p.mu.Unlock()
	for _, w := range wait {
		w.cancel(ErrClosed)
	}
}

// Value finds what the caller's context has.
func (p *passing) Value(key any) any {
	if key == (passingKey{}) {
		return p
	}
	return p.Context.Value(key)
}

// String describes the context without looking into what others write to.
func (p *passing) String() string { return fmt.Sprintf("%v.holdfast/gate", p.Context.Context) }
