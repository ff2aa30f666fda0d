package timeout

import "github.com/holdfast-go/holdfast"

var _ holdfast.Measured = (*Timeout)(nil)

// Figures tells how many calls found no adaptive limit of their target's own.
func (t *Timeout) Figures(yield func(holdfast.Figure) bool) {
	if t == nil || t.adaptive == nil {
		return
	}
	yield(holdfast.Figure{
		Name: "table_full_total", Help: "Calls whose key found no room in the table of the policy.", Kind: holdfast.Counter,
		Labels: map[string]string{"policy": "timeout"}, Value: float64(t.adaptive.learnt.targets.Late()), Owner: t.adaptive.learnt,
	})
}
