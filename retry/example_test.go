package retry_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/retry"
)

func ExampleNew() {
	policies := holdfast.Chain(retry.New(retry.Options{MaxAttempts: 3, InitialInterval: time.Millisecond}))

	tries := 0
	row, err := holdfast.Do(context.Background(), policies,
		holdfast.Call{Target: "postgres", Method: "load", Repeatable: true},
		func(context.Context) (string, error) {
			if tries++; tries < 3 {
				return "", errors.New("connection reset")
			}
			return "a row", nil
		})
	fmt.Println(row, err, tries)
	// Output: a row <nil> 3
}

// When the repeats are used up, the error is the last one, with what was tried.
func ExampleNew_error() {
	policies := holdfast.Chain(retry.New(retry.Options{MaxAttempts: 2, InitialInterval: time.Millisecond}))
	errReset := errors.New("connection reset")

	_, err := holdfast.Do(context.Background(), policies, holdfast.Call{Target: "t", Repeatable: true},
		func(context.Context) (int, error) { return 0, errReset })

	var all *holdfast.AttemptsError
	fmt.Println(errors.Is(err, errReset), errors.As(err, &all), all.Ledger.Stopped)
	// Output: true true 2 attempts made
}

// Any schedule of the backoff package will do.
func ExampleNew_backoff() {
	r := retry.New(retry.Options{Backoff: func() backoff.BackOff {
		return backoff.NewConstantBackOff(time.Millisecond)
	}})
	_, err := holdfast.Do(context.Background(), holdfast.Chain(r), holdfast.Call{Target: "t"},
		func(context.Context) (int, error) { return 0, errors.New("not repeatable, so tried once") })
	fmt.Println(err)
	// Output: not repeatable, so tried once
}

// One budget for several clients of the same servers.
func ExampleNewBudget() {
	budget := retry.NewBudget(retry.BudgetOptions{Ratio: 0.1}) // one call in ten
	reads := retry.New(retry.Options{Budget: budget})
	writes := retry.New(retry.Options{Budget: budget, MaxAttempts: 2})
	_, _ = reads, writes

	fmt.Println(budget.Withdraw("users.internal:443"), budget.Stats("users.internal:443").Tokens)
	// Output: true 4
}
