package holdfast_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/holdfast-go/holdfast"
)

// A policy is a function around a Handler: this one says what became of each
// call.
func ExampleChain() {
	tell := holdfast.PolicyFunc(func(next holdfast.Handler) holdfast.Handler {
		return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
			res := next(ctx, call)
			fmt.Println(call.Target, call.Method, res.Class)
			return res
		}
	})
	guarded := holdfast.Chain(tell) // built once, used for every call

	answer, err := holdfast.Do(context.Background(), guarded,
		holdfast.Call{Target: "deep-thought", Method: "ask", Repeatable: true},
		func(context.Context) (int, error) { return 42, nil })
	fmt.Println(answer, err)
	// Output:
	// deep-thought ask success
	// 42 <nil>
}

func ExampleDo() {
	load := func(context.Context) (string, error) { return "a row", nil }

	row, err := holdfast.Do(context.Background(), holdfast.Chain( /* retry, breaker, timeout … */ ),
		holdfast.Call{Target: "postgres", Method: "load", Repeatable: true}, load)
	fmt.Println(row, err)
	// Output: a row <nil>
}

// A function tells the policies around it what its errors mean.
func ExampleMark() {
	errBusy := errors.New("too many connections")
	err := holdfast.Mark(errBusy, holdfast.Overload, 2*time.Second) // repeat in two seconds at the earliest
	fmt.Println(err, errors.Is(err, errBusy), holdfast.VerdictOf(context.Background(), err).Class)
	// Output: too many connections true overload
}

func ExampleWithoutRepeats() {
	ctx := holdfast.WithoutRepeats(context.Background())
	_, ok := (&holdfast.Call{Record: new(holdfast.Record)}).MayRepeat(ctx)
	fmt.Println(ok)
	// Output: false
}

func ExampleWithLedger() {
	var record holdfast.Record
	record.Log(&holdfast.Call{Record: &record, Attempt: 1}, holdfast.Result{Class: holdfast.Failure, Code: "503"})
	record.Stop("not repeatable")

	ctx := holdfast.WithLedger(context.Background(), &record) // what a door puts on a response
	fmt.Println(holdfast.LedgerOf(ctx))
	// Output: 1: 503 in 0s; stopped: not repeatable
}

func ExampleNewListener() {
	listener := holdfast.NewListener(func(_ context.Context, e holdfast.Event) { fmt.Println(e.Kind) })
	listening := holdfast.PolicyFunc(func(next holdfast.Handler) holdfast.Handler {
		return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
			call.Record.Listen(listener)
			return next(ctx, call)
		}
	})
	refusing := holdfast.PolicyFunc(func(holdfast.Handler) holdfast.Handler {
		return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
			err := errors.New("not today")
			return call.Reject(ctx, holdfast.Event{Policy: "mine", Code: "refused", Reason: "today", Err: err})
		}
	})
	_, err := holdfast.Do(context.Background(), holdfast.Chain(listening, refusing), holdfast.Call{Target: "users"}, func(context.Context) (int, error) { return 1, nil })
	fmt.Println(err)
	// Output:
	// rejection
	// not today
}
