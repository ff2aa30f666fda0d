package timeout

import "github.com/holdfast-go/holdfast"

var _ holdfast.Measured = (*Timeout)(nil)

// Figures tells how many calls found no adaptive limit of their target's own.
func (t *Timeout) Figures(yield func(holdfast.Figure) bool) {
	if t == nil || t.adaptive == nil {
		return
	}
	yield(holdfast.FullFigure("timeout", t.adaptive.learnt.targets.Late(), t.adaptive.learnt))
}
