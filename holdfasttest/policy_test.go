package holdfasttest_test

import (
	"context"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/holdfasttest"
	"github.com/holdfast-go/holdfast/retry"
	"github.com/holdfast-go/holdfast/timeout"
)

// through is a policy that does nothing, and keeps the whole contract.
var through = holdfast.PolicyFunc(func(next holdfast.Handler) holdfast.Handler {
	return func(ctx context.Context, call *holdfast.Call) holdfast.Result { return next(ctx, call) }
})

func TestPoliciesThatKeepTheContract(t *testing.T) {
	for name, policy := range map[string]func() holdfast.Policy{
		"nothing": func() holdfast.Policy { return through },
		"retry":   func() holdfast.Policy { return retry.New(retry.Options{}) },
		"retry, unlimited": func() holdfast.Policy {
			return retry.New(retry.Options{Budget: retry.NewBudget(retry.BudgetOptions{Unlimited: true})})
		},
		"timeout":             func() holdfast.Policy { return timeout.New(timeout.Options{Limit: time.Minute}) },
		"faults that are off": func() holdfast.Policy { return holdfasttest.NewFaults(holdfasttest.FaultOptions{}) },
	} {
		t.Run(name, func(t *testing.T) { holdfasttest.TestPolicy(t, policy) })
	}
}
