package holdfast_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
)

// A station notes the place that it is given.
type station struct {
	traits holdfast.Traits
	at     []holdfast.Place
}

func (s *station) Traits() holdfast.Traits { return s.traits }
func (s *station) Wrap(next holdfast.Handler) holdfast.Handler {
	return s.WrapAt(holdfast.Place{}, next)
}
func (s *station) WrapAt(at holdfast.Place, next holdfast.Handler) holdfast.Handler {
	s.at = append(s.at, at)
	return next
}

// A pack is policies in one.
type pack []holdfast.Policy

func (p pack) Inside() []holdfast.Policy                   { return p }
func (p pack) Wrap(next holdfast.Handler) holdfast.Handler { return p.WrapAt(holdfast.Place{}, next) }
func (p pack) WrapAt(at holdfast.Place, next holdfast.Handler) holdfast.Handler {
	return at.Wrap(next, p...)
}

// A titled pack tells what it is, and is a pack all the same.
type titled struct{ pack }

func (titled) Traits() holdfast.Traits { return holdfast.Traits{Name: "mine"} }

// An endless group contains itself.
type endless struct{ station }

func (e *endless) Inside() []holdfast.Policy { return []holdfast.Policy{e} }

// A policy learns where it stands when the chain is built, also in and behind a group.
func TestAPolicyLearnsItsPlace(t *testing.T) {
	plain, attempt := holdfast.Place{}, holdfast.Place{Attempt: true}
	for name, makes := range map[string]holdfast.Traits{"retry": {Retries: true}, "hedge": {Hedges: true}, "balancer": {Balances: true}} {
		outside, inside := new(station), new(station)
		makes := &station{traits: makes}
		for _, policies := range [][]holdfast.Policy{
			{outside, makes, inside},
			{outside, nil, makes, holdfast.PolicyFunc(nil), inside},
			{pack{outside, makes, inside}},
			{outside, pack{makes}, inside},
			{outside, pack{pack{}, pack{makes}}, pack{inside}},
			{outside, titled{pack{makes}}, inside},
			{outside, new(endless), makes, inside},
		} {
			outside.at, inside.at = nil, nil
			holdfast.Chain(policies...)
			if len(outside.at) != 1 || len(inside.at) != 1 || outside.at[0] != plain || inside.at[0] != attempt {
				t.Errorf("%s: %T: outside %v, inside %v", name, policies, outside.at, inside.at)
			}
		}
	}
	for _, neither := range []holdfast.Traits{{}, {Breaks: true, Holds: true, Limit: time.Second}} {
		last := new(station)
		holdfast.Chain(&station{traits: neither}, last)
		if last.at[0] != plain {
			t.Errorf("behind %+v: %v", neither, last.at)
		}
	}
}

// Within an outer call that repeats, an inner one is sent once; what is detached from it, or
// goes on when it is over, repeats for itself.
func TestWhatIsDetachedRepeatsForItself(t *testing.T) {
	for name, c := range map[string]struct {
		ctx   func(context.Context) context.Context
		later bool
		sends int
	}{
		"within":                     {func(ctx context.Context) context.Context { return ctx }, false, 1},
		"within, by another context": {func(ctx context.Context) context.Context { return context.WithValue(ctx, station{}.traits, 1) }, false, 1},
		"detached":                   {context.WithoutCancel, false, 2},
		"detached, with a cancel": {func(ctx context.Context) context.Context {
			return context.WithValue(context.WithoutCancel(ctx), station{}.traits, 1)
		}, false, 2},
		"detached, for longer": {func(ctx context.Context) context.Context {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Hour)
			time.AfterFunc(time.Hour, cancel)
			return ctx
		}, false, 2},
		"when the outer call is over": {func(ctx context.Context) context.Context { return ctx }, true, 2},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var whyOuter, whyInner string
				first, sends, over := true, 0, make(chan struct{})
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				do(ctx, true, &whyOuter, func(ctx context.Context) {
					if !first {
						return // the outer layer's own repeat
					}
					first = false
					inner := func() { do(c.ctx(ctx), true, &whyInner, func(context.Context) { sends++ }) }
					if !c.later {
						inner()
						return
					}
					go func() {
						defer close(over)
						time.Sleep(time.Second)
						inner()
					}()
				})
				if c.later {
					<-over
				}
				if sends != c.sends {
					t.Errorf("%d sendings, want %d: %q", sends, c.sends, whyInner)
				}
			})
		})
	}
}

// Where the outer caller has gone, what is detached from it repeats for itself, also under a context
// that can end: it does not end with the outer one.
func TestWhatIsDetachedFromACallerWhoHasGoneRepeatsForItself(t *testing.T) {
	for detached, want := range map[bool]int{false: 0, true: 2} {
		var whyOuter, whyInner string
		sends := 0
		outer, leave := context.WithCancel(t.Context())
		do(outer, true, &whyOuter, func(ctx context.Context) {
			leave()
			if detached {
				ctx = context.WithoutCancel(ctx)
			}
			ctx, cancel := context.WithCancel(ctx)
			defer cancel()
			do(ctx, true, &whyInner, func(context.Context) { sends++ })
		})
		if sends != want || (whyInner == "") != detached {
			t.Errorf("detached: %v: %d sendings, want %d: %q", detached, sends, want, whyInner)
		}
	}
}

// What is detached repeats for itself alone: the outer call, which may not be repeated where an
// inner one was, is sent again when it was refused.
func TestWhatIsDetachedKeepsNobodyFromRepeating(t *testing.T) {
	for name, c := range map[string]struct {
		ctx   func(context.Context) context.Context
		calls int
	}{
		"within":   {func(ctx context.Context) context.Context { return ctx }, 1},
		"detached": {context.WithoutCancel, 2},
	} {
		var whyOuter, whyInner string
		calls, sends := 0, 0
		do(t.Context(), false, &whyOuter, func(ctx context.Context) {
			if calls++; calls == 1 {
				do(c.ctx(ctx), true, &whyInner, func(context.Context) { sends++ })
			}
		})
		if calls != c.calls || sends != 2 {
			t.Errorf("%s: the outer call was sent %d times, want %d (%q); the inner one %d times (%q)", name, calls, c.calls, whyOuter, sends, whyInner)
		}
	}
}

// An inner layer that was refused its repeat, for whatever reason, has repeated nothing: the
// outer one may.
func TestOnlyWhatWasSentAgainCountsAsRepeated(t *testing.T) {
	for _, sends := range []bool{false, true} {
		asks := holdfast.PolicyFunc(func(next holdfast.Handler) holdfast.Handler {
			return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
				call.Record.Claim()
				res := next(ctx, call)
				if _, may := call.MayRepeat(ctx); may && sends {
					res.Discard()
					return next(ctx, call.Again())
				}
				return res
			}
		})
		var why string
		calls := 0
		do(t.Context(), false, &why, func(ctx context.Context) {
			calls++
			_, _ = holdfast.Do(ctx, holdfast.Chain(asks), holdfast.Call{Target: "inner"}, func(context.Context) (int, error) { return 0, errors.New("refused") })
		})
		if want := map[bool]int{false: 2, true: 1}[sends]; calls != want {
			t.Errorf("the inner layer sends again: %v; the outer one made %d calls, want %d: %q", sends, calls, want, why)
		}
	}
}
