package retry_test

import (
	"context"
	"testing"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/retry"
)

func one(context.Context) (int, error) { return 1, nil }

func TestASuccessAllocatesNothingMore(t *testing.T) {
	allocs := func(h holdfast.Handler) float64 {
		return testing.AllocsPerRun(200, func() {
			_, _ = holdfast.Do(context.Background(), h, holdfast.Call{Target: "t", Repeatable: true}, one)
		})
	}
	if bare, ours := allocs(holdfast.Chain()), allocs(holdfast.Chain(retry.New(retry.Options{}))); ours > bare {
		t.Errorf("%v allocations, %v without retry", ours, bare)
	}
}

func BenchmarkSuccess(b *testing.B) {
	for name, h := range map[string]holdfast.Handler{
		"bare": holdfast.Chain(), "retry": holdfast.Chain(retry.New(retry.Options{})),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = holdfast.Do(context.Background(), h, holdfast.Call{Target: "t", Repeatable: true}, one)
			}
		})
	}
}

func BenchmarkBudgetDeposit(b *testing.B) {
	budget := retry.NewBudget(retry.BudgetOptions{})
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			budget.Deposit("t")
		}
	})
}
