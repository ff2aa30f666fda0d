package holdfast_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-go/holdfast"
)

// repeater makes a second attempt whenever it may, and says why not otherwise.
func repeater(why *string) holdfast.Policy {
	return holdfast.PolicyFunc(func(next holdfast.Handler) holdfast.Handler {
		return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
			mine := call.Record.Claim()
			res := next(ctx, call)
			if !mine {
				return res
			}
			if reason, ok := call.MayRepeat(ctx); !ok {
				*why = reason
				return res
			}
			res.Discard()
			return next(ctx, call.Again())
		}
	})
}

// do runs f under one repeater in a layer of its own.
func do(ctx context.Context, repeatable bool, why *string, f func(context.Context)) {
	_, _ = holdfast.Do(ctx, holdfast.Chain(repeater(why)), holdfast.Call{Target: "t", Repeatable: repeatable}, func(ctx context.Context) (int, error) {
		f(ctx)
		return 0, nil
	})
}

func TestAnInnerLayerLeavesRepeatingToARepeatableOuterOne(t *testing.T) {
	var sends int
	var whyOuter, whyMiddle, whyInner string
	do(t.Context(), true, &whyOuter, func(ctx context.Context) {
		do(ctx, false, &whyMiddle, func(ctx context.Context) {
			do(ctx, true, &whyInner, func(context.Context) { sends++ })
		})
	})
	if sends != 2 {
		t.Errorf("%d sends, want the outer layer's two", sends)
	}
	for _, why := range []string{whyMiddle, whyInner} {
		if !strings.Contains(why, "outer layer") {
			t.Errorf("an inner layer gave as its reason %q", why)
		}
	}
	if whyOuter != "" {
		t.Errorf("the outer layer was refused: %s", whyOuter)
	}
}

func TestAnOuterLayerThatMayNotRepeatLeavesItToTheInnerOne(t *testing.T) {
	var sends int
	var whyOuter, whyInner string
	do(t.Context(), false, &whyOuter, func(ctx context.Context) {
		do(ctx, true, &whyInner, func(context.Context) { sends++ })
	})
	if sends != 2 || whyInner != "" || !strings.Contains(whyOuter, "further in") {
		t.Errorf("%d sends, inner %q, outer %q; want the inner layer's two sends and no more", sends, whyInner, whyOuter)
	}
}

func TestTwoRepeatersInOneChainDoNotMultiply(t *testing.T) {
	var sends int
	var why string
	h := holdfast.Chain(repeater(&why), repeater(&why), repeater(&why))
	_, _ = holdfast.Do(t.Context(), h, holdfast.Call{Target: "t", Repeatable: true}, func(context.Context) (int, error) { sends++; return 0, nil })
	if sends != 2 {
		t.Errorf("%d sends, want 2", sends)
	}
}

func TestWithoutRepeats(t *testing.T) {
	var sends int
	var why string
	do(holdfast.WithoutRepeats(t.Context()), true, &why, func(context.Context) { sends++ })
	if sends != 1 || !strings.Contains(why, "switched off") {
		t.Errorf("%d sends, because %q", sends, why)
	}
}

// A call that has ended leaves no mark on the next one made under the same
// context of the caller.
func TestCallsSideBySideAreStrangers(t *testing.T) {
	var sends int
	var why string
	for range 3 {
		do(t.Context(), true, &why, func(context.Context) { sends++ })
	}
	if sends != 6 || why != "" {
		t.Errorf("%d sends (%s), want two for each of three calls", sends, why)
	}
}

// A Result says which attempt it is of; one that a policy makes is of none.
func TestAResultSaysWhichAttemptItIsOf(t *testing.T) {
	var seen []int
	see := holdfast.PolicyFunc(func(next holdfast.Handler) holdfast.Handler {
		return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
			res := next(ctx, call)
			seen = append(seen, res.Attempt)
			return res
		}
	})
	rejects := holdfast.PolicyFunc(func(next holdfast.Handler) holdfast.Handler {
		return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
			if call.Attempt == 2 {
				return holdfast.Result{Err: context.Canceled}
			}
			return next(ctx, call)
		}
	})
	var why string
	h := holdfast.Chain(see, repeater(&why), see, rejects)
	res := h(t.Context(), &holdfast.Call{Repeatable: true, Sender: senderFunc(func(context.Context, *holdfast.Call) holdfast.Result {
		return holdfast.Result{Err: context.Canceled, Attempt: 9} // which Chain knows better
	})})
	if want := []int{1, 0, 0}; !slices.Equal(seen, want) || res.Attempt != 0 {
		t.Errorf("attempts %v, want %v", seen, want)
	}
}
