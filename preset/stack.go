package preset

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/breaker"
	"github.com/holdfast-go/holdfast/hedge"
	"github.com/holdfast-go/holdfast/limit"
	"github.com/holdfast-go/holdfast/retry"
)

// A Stack is the policies of a Config as one Policy, whose Config can be changed
// while calls are under way. It is safe for concurrent use. One that NewStack has not
// made, nil too, does nothing as a Policy, has no policies to return, and cannot be
// updated.
//
// At the end of a program Shutdown lets the calls under way finish, and Close ends them. A Stack
// that is simply dropped leaves nothing behind; what it was given, such as a loadbalance.Set
// among the Inner policies, is closed by whoever made it, after the Stack.
type Stack struct {
	gate    holdfast.Gate
	mu      sync.Mutex // of Update, OnDrained and Watch
	parts   atomic.Pointer[parts]
	closed  atomic.Bool
	drained []func(addr string)
	heard   map[*hearing]bool
}

// wrapped is one use of the Stack, with the policies that it was last used with: it
// learns of others when it is used.
type wrapped struct {
	parts   *parts
	handler holdfast.Handler
}

var _ holdfast.Policy = (*Stack)(nil)

// NewStack makes a Stack of a Config that Validate accepts.
func NewStack(c Config) (*Stack, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	s := new(Stack)
	s.parts.Store(build(c, nil))
	return s, nil
}

// Wrap returns a Handler that runs a call through the policies that there are
// when it begins.
func (s *Stack) Wrap(next holdfast.Handler) holdfast.Handler {
	return s.WrapAt(holdfast.Place{}, next)
}

// WrapAt is Wrap for a place in a chain.
func (s *Stack) WrapAt(at holdfast.Place, next holdfast.Handler) holdfast.Handler {
	if s.now() == nil { // NewStack has not made it
		return next
	}
	var last atomic.Pointer[wrapped]
	with := func(p *parts) *wrapped {
		w := &wrapped{p, at.Wrap(next, p.list()...)}
		last.Store(w)
		return w
	}
	with(s.parts.Load())
	return s.gate.Wrap(func(ctx context.Context, call *holdfast.Call) holdfast.Result {
		w := last.Load()
		if p := s.parts.Load(); w.parts != p {
			w = with(p)
		}
		return w.handler(ctx, call)
	})
}

// now is nil where NewStack has not made the Stack.
func (s *Stack) now() *parts {
	if s == nil {
		return nil
	}
	return s.parts.Load()
}

// Config returns the Config in force. What is changed in it changes nothing before Update.
func (s *Stack) Config() Config {
	if s.now() == nil {
		return Config{}
	}
	return s.now().config.copied()
}

// Breaker returns the breaker, to read its circuits or to set one by hand.
func (s *Stack) Breaker() *breaker.Breaker { return find[*breaker.Breaker](s.now()) }

// Budget returns the budget that repeats and hedges share.
func (s *Stack) Budget() *retry.Budget { return find[*retry.Retry](s.now()).Budget() }

// Hedge returns the hedge, to read its figures.
func (s *Stack) Hedge() *hedge.Hedge { return find[*hedge.Hedge](s.now()) }

// Limit returns the limit of calls under way, to read its figures.
func (s *Stack) Limit() *limit.InFlight { return find[*limit.InFlight](s.now()) }

// Inside returns the policies in force, the outermost first, for those who observe
// them. Calls through one of them alone pass the others by.
func (s *Stack) Inside() []holdfast.Policy {
	if s.now() == nil {
		return nil
	}
	return s.now().list()
}

// OnDrained has f told of endpoints that are gone, by the balancer among the Inner
// policies, and by those that Update brings. A door asks for it.
func (s *Stack) OnDrained(f func(addr string)) {
	if s.now() == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drained = append(s.drained, f)
	onDrained(s.now().config.inner(), f)
}

func onDrained(inner []holdfast.Policy, f func(addr string)) {
	for _, one := range inner {
		if d, ok := one.(interface{ OnDrained(func(string)) }); ok {
			d.OnDrained(f)
		}
	}
}
