package retry_test

import (
	"maps"
	"testing"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/retry"
)

// A budget is told of by each policy that draws from it, and has one owner, also when its options
// have changed.
func TestTheBudgetIsTold(t *testing.T) {
	b := retry.NewBudget(retry.BudgetOptions{})
	for range 7 {
		b.Withdraw("t")
	}
	b.Withdraw("u")
	owners, values := map[any]bool{}, map[string]float64{}
	for _, p := range []holdfast.Measured{retry.New(retry.Options{Budget: b}), retry.New(retry.Options{Budget: b.With(retry.BudgetOptions{})}), b} {
		for f := range p.Figures {
			owners[f.Owner] = true
			values[f.Name+" "+f.Labels["target"]] = f.Value
			if want := map[string]holdfast.FigureKind{"retry_budget_tokens": holdfast.Least, "retry_budget_withdrawn_total": holdfast.Counter, "retry_budget_refused_total": holdfast.Counter, "table_full_total": holdfast.Counter}[f.Name]; f.Kind != want {
				t.Errorf("%+v", f)
			}
		}
	}
	if want := map[string]float64{
		"retry_budget_tokens t": 0, "retry_budget_withdrawn_total t": 5, "retry_budget_refused_total t": 2,
		"retry_budget_tokens u": 4, "retry_budget_withdrawn_total u": 1, "retry_budget_refused_total u": 0,
		"table_full_total ": 0,
	}; !maps.Equal(values, want) || len(owners) != 1 {
		t.Errorf("%v, %d owners", values, len(owners))
	}
	for range (*retry.Retry)(nil).Figures {
		t.Error("nobody has a budget")
	}
}

// The account that late targets share is told, and is the one of each of them.
func TestTheAccountThatLateTargetsShareIsTold(t *testing.T) {
	b := retry.NewBudget(retry.BudgetOptions{MaxTargets: 1})
	for _, target := range []string{"t", "u", "v"} {
		b.Withdraw(target)
	}
	values := map[string]float64{}
	for f := range b.Figures {
		values[f.Name+" "+f.Labels["target"]] = f.Value
	}
	if values["retry_budget_withdrawn_total t"] != 1 || values["retry_budget_withdrawn_total other"] != 2 || values["retry_budget_tokens other"] != 3 {
		t.Errorf("%v", values)
	}
	if got, want := b.Stats("u"), (retry.BudgetStats{Tokens: 3, Withdrawn: 2}); got != want || b.Stats("w") != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}
