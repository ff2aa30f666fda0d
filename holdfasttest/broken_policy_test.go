package holdfasttest_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/holdfasttest"
)

// A breach is a policy that breaks one sentence of the contract.
type breach struct {
	name   string
	policy func() holdfast.Policy
	caught string // what TestPolicy must say of it
}

type handle = func(ctx context.Context, call *holdfast.Call, next holdfast.Handler) holdfast.Result

// stateless makes a policy without state.
func stateless(f handle) func() holdfast.Policy {
	return func() holdfast.Policy {
		return holdfast.PolicyFunc(func(next holdfast.Handler) holdfast.Handler {
			return func(ctx context.Context, call *holdfast.Call) holdfast.Result { return f(ctx, call, next) }
		})
	}
}

// repeated repeats once what it may, in the way that again does it.
func repeated(again handle) func() holdfast.Policy {
	return stateless(func(ctx context.Context, call *holdfast.Call, next holdfast.Handler) holdfast.Result {
		mine := call.Record.Claim()
		res := next(ctx, call)
		if !mine || !may(ctx, call, res) {
			return res
		}
		res.Discard()
		return again(ctx, call, next)
	})
}

func may(ctx context.Context, call *holdfast.Call, res holdfast.Result) bool {
	if _, ok := call.MayRepeat(ctx); !ok || res.After != 0 || ctx.Err() != nil {
		return false
	}
	return res.Class == holdfast.Refused || call.Repeatable && (res.Class == holdfast.Failure || res.Class == holdfast.Overload)
}

func properly(ctx context.Context, call *holdfast.Call, next holdfast.Handler) holdfast.Result {
	return next(ctx, call.Again())
}

// hook is a Hook of one function.
type hook func(holdfast.End)

func (h hook) Done(_ uint64, end holdfast.End) { h(end) }

// derive hides from vet what a policy is about to forget.
func derive(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, 10000*time.Hour)
}

var own = holdfast.Result{Err: errors.New("own"), Code: "own"}

// A pointed policy is one whose type is a pointer.
type pointed struct {
	wrap func(holdfast.Handler) holdfast.Handler
}

func (p *pointed) Wrap(next holdfast.Handler) holdfast.Handler { return p.wrap(next) }

// stop ends what the broken policies leave behind, when a bubble ends.
var stop = struct {
	sync.Mutex
	f []func()
}{}

func atEnd(f func()) {
	stop.Lock()
	defer stop.Unlock()
	stop.f = append(stop.f, f)
}

func end() {
	stop.Lock()
	defer stop.Unlock()
	for _, f := range stop.f {
		f()
	}
	stop.f = nil
}

var breaches = slices.Concat(brokenResults, brokenHolds, brokenTimes)

// TestPolicy catches every policy that breaks a sentence, and says which.
func TestBrokenPoliciesAreCaught(t *testing.T) {
	for _, b := range breaches {
		t.Run(b.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				defer synctest.Wait()
				defer end()
				r := new(recorder)
				caught := func() bool { return strings.Contains(r.String(), b.caught) }
				holdfasttest.CheckPolicy(r, b.policy, caught)
				if !caught() {
					t.Errorf("not caught; want %q, it said %.4000s", b.caught, r)
				}
			})
		})
	}
}
