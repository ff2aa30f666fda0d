package retry_test

import (
	"context"
	"testing"
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/holdfasttest"
	"github.com/holdfast-go/holdfast/retry"
)

// The contract holds however a Retry is set up.
func TestTheContractHolds(t *testing.T) {
	shared := retry.NewBudget(retry.BudgetOptions{Unlimited: true})
	for name, o := range map[string]retry.Options{
		"default":            {},
		"no repeats":         {MaxAttempts: -1},
		"many, no waits":     {MaxAttempts: 20, InitialInterval: -1, Budget: shared},
		"decorrelated":       {Jitter: retry.Decorrelated, MinAttempt: -1, Budget: shared},
		"constant":           {Jitter: retry.Constant, InitialInterval: time.Minute, Budget: shared},
		"empty budget":       {Budget: retry.NewBudget(retry.BudgetOptions{Min: -1})},
		"budget of nobody":   {Budget: new(retry.Budget)},
		"schedule of a user": {Backoff: func() backoff.BackOff { return backoff.NewExponentialBackOff() }, Budget: shared},
		"schedule that ends": {Backoff: func() backoff.BackOff { return &backoff.StopBackOff{} }},
		"callbacks":          {OnRetry: func(context.Context, holdfast.Event) {}, OnStop: func(context.Context, holdfast.Event) {}},
	} {
		t.Run(name, func(t *testing.T) {
			holdfasttest.TestPolicy(t, func() holdfast.Policy { return retry.New(o) })
		})
	}
	t.Run("not made by New", func(t *testing.T) {
		holdfasttest.TestPolicy(t, func() holdfast.Policy { return new(retry.Retry) })
	})
}
