package verdicts_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast"
)

// What each Class means, for the package and for whoever writes a policy.
func TestTheTableOfClasses(t *testing.T) {
	lines := [][]string{{"class", "the server is", "sent again", "its time is a sample"}}
	for c := range holdfast.LocalPause + 1 {
		sample := "no"
		if c.Sample() {
			sample = "yes"
		}
		lines = append(lines, []string{class(c), c.Server().String(), again(holdfast.Result{Class: c}), sample})
	}
	holds(t, "doc.go", lines)
}

// What comes of a plain function.
func TestTheTableOfDo(t *testing.T) {
	do := func(call holdfast.Call, f func(ctx context.Context) error) holdfast.Result {
		return seen(t, func(policies ...holdfast.Policy) {
			call.Target = "t"
			_, _ = holdfast.Do(context.Background(), holdfast.Chain(policies...), call, func(ctx context.Context) (int, error) { return 0, f(ctx) })
		})
	}
	plain, marked := errors.New("x"), holdfast.Mark(errors.New("x"), holdfast.Overload, time.Second)
	returns := func(err error) func(context.Context) error { return func(context.Context) error { return err } }
	rows := []row{
		{"a value", []holdfast.Result{do(holdfast.Call{}, returns(nil))}},
		{"any error", []holdfast.Result{do(holdfast.Call{}, returns(plain))}},
		{"an error marked Overload, with a wait", []holdfast.Result{do(holdfast.Call{}, returns(marked))}},
		{"a Conflict, as Classify calls an error", []holdfast.Result{do(holdfast.Call{Classify: func(error) (holdfast.Verdict, bool) {
			return holdfast.Verdict{Class: holdfast.Conflict}, true
		}}, returns(plain))}},
		{"the error of a call within it, Refused", []holdfast.Result{do(holdfast.Call{}, func(ctx context.Context) error {
			_, err := holdfast.Do(ctx, nil, holdfast.Call{Target: "t"}, func(context.Context) (int, error) {
				return 0, holdfast.Mark(errors.New("x"), holdfast.Refused, 0)
			})
			return err
		})}},
	}
	rows = append(rows, ends(t, func(waits func(context.Context), policies ...holdfast.Policy) {
		_, _ = holdfast.Do(context.Background(), holdfast.Chain(policies...), holdfast.Call{Target: "t"}, func(ctx context.Context) (int, error) {
			waits(ctx)
			return 0, ctx.Err()
		})
	})...)
	documented(t, "do.go", "what f comes to", rows)
}
