package preset

import (
	"context"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/breaker"
	"github.com/holdfast-go/holdfast/hedge"
	"github.com/holdfast-go/holdfast/limit"
	"github.com/holdfast-go/holdfast/retry"
)

// A Stack is the policies of a Config as one Policy, whose Config can be changed
// while calls are under way. It is safe for concurrent use. As a Policy, one that
// NewStack has not made, nil too, does nothing.
type Stack struct {
	mu    sync.Mutex // of Update
	parts atomic.Pointer[parts]
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
	if s == nil || s.now() == nil { // NewStack has not made it
		return next
	}
	var last atomic.Pointer[wrapped]
	with := func(p *parts) *wrapped {
		w := &wrapped{p, at.Wrap(next, p.list()...)}
		last.Store(w)
		return w
	}
	with(s.parts.Load())
	return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
		w := last.Load()
		if p := s.parts.Load(); w.parts != p {
			w = with(p)
		}
		return w.handler(ctx, call)
	}
}

// Update has all calls that begin from now on run through the policies of c;
// those under way go on with what they began with. Circuits, what calls take,
// slots and, where its options are the same, the budget stay as they are. It
// returns what has changed, a line for each value: "retry.maxAttempts: 3 -> 5". A
// Config that Validate refuses changes nothing, and the next one is as welcome.
func (s *Stack) Update(c Config) ([]string, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	was := s.now()
	changes := append(diff(was.config, c), diffPolicies("outer", was.config.Outer, c.Outer)...)
	changes = append(changes, diffPolicies("inner", was.config.Inner, c.Inner)...)
	s.parts.Store(build(c, was))
	return changes, nil
}

func change(path, was, is string) string {
	if was == "" {
		was = "none"
	}
	if is == "" {
		is = "none"
	}
	return path + ": " + was + " -> " + is
}

func diff(was, is Config) (changes []string) {
	old := texts(was)
	walk(reflect.ValueOf(is), "", func(path string, v reflect.Value) {
		if value := show(v); old[path] != value {
			changes = append(changes, change(path, old[path], value))
		}
		delete(old, path)
	})
	for path, value := range old { // of a struct that is no longer there
		changes = append(changes, change(path, value, ""))
	}
	return changes
}

// diffPolicies tells of policies of the user's own by their types.
func diffPolicies(path string, was, is []holdfast.Policy) []string {
	same := len(was) == len(is)
	for i := 0; same && i < len(is); i++ {
		a, b := reflect.ValueOf(was[i]), reflect.ValueOf(is[i])
		switch {
		case a.IsValid() != b.IsValid() || a.IsValid() && a.Type() != b.Type():
			same = false
		case !a.IsValid():
		case a.Kind() == reflect.Pointer || a.Kind() == reflect.Func:
			same = a.Pointer() == b.Pointer()
		case a.Comparable() && b.Comparable():
			same = a.Equal(b)
		}
	}
	if same {
		return nil
	}
	return []string{change(path, typesOf(was), typesOf(is))}
}

func typesOf(policies []holdfast.Policy) string {
	var types []string
	for _, p := range policies {
		types = append(types, fmt.Sprintf("%T", p))
	}
	return strings.Join(types, ", ")
}

func (s *Stack) now() *parts { return s.parts.Load() }

// Config returns the Config in force.
func (s *Stack) Config() Config { return s.now().config }

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
	if s == nil || s.now() == nil {
		return nil
	}
	return s.now().list()
}

// OnDrained has f told of endpoints that are gone, by the balancer among the Inner
// policies. A door asks for it.
func (s *Stack) OnDrained(f func(addr string)) {
	if s != nil && s.now() != nil {
		s.now().onDrained(f)
	}
}

func (p *parts) onDrained(f func(addr string)) {
	for _, one := range p.config.Inner {
		if d, ok := one.(interface{ OnDrained(func(string)) }); ok {
			d.OnDrained(f)
		}
	}
}
