package retry

import "github.com/holdfast-go/holdfast"

var _ holdfast.Measured = (*Retry)(nil)

// Figures tells how the Budget stands. What several policies draw from counts once.
func (r *Retry) Figures(yield func(holdfast.Figure) bool) {
	if r != nil {
		r.budget.Figures(yield)
	}
}

// Figures tells how the accounts of the targets stand, and how often a target found none.
func (b *Budget) Figures(yield func(holdfast.Figure) bool) {
	if !b.made() || !yield(holdfast.FullFigure("retry", b.s.accounts.Late(), b.s)) {
		return
	}
	b.s.accounts.Each(func(target string, a *account) bool {
		s := a.stats(b)
		labels := map[string]string{"target": target}
		for _, f := range [...]holdfast.Figure{
			{Name: "retry_budget_tokens", Kind: holdfast.Least, Value: s.Tokens, Help: "Repeats that the budget would grant now; of several targets together the least."},
			{Name: "retry_budget_withdrawn_total", Kind: holdfast.Counter, Value: float64(s.Withdrawn), Help: "Repeats and hedges that the budget has granted."},
			{Name: "retry_budget_refused_total", Kind: holdfast.Counter, Value: float64(s.Refused), Help: "Repeats and hedges that the budget has refused."},
		} {
			f.Labels, f.Owner = labels, b.s
			if !yield(f) {
				return false
			}
		}
		return true
	})
}
