package breaker

import "github.com/holdfast-go/holdfast"

var _ holdfast.Measured = (*Breaker)(nil)

// Figures tells the state of each circuit, how many calls it has rejected, and how many had none.
func (b *Breaker) Figures(yield func(holdfast.Figure) bool) {
	if b.made() && !yield(holdfast.FullFigure("breaker", b.s.circuits.Late(), b.s)) {
		return
	}
	b.Each(func(key string, s Status) bool {
		for _, state := range [...]State{Closed, Open, HalfOpen, Isolated} {
			f := holdfast.Figure{
				Name: "circuits", Help: "Circuits of the breaker that are in a state.",
				Labels: map[string]string{"target": key, "state": state.String()}, Keys: "circuit", Owner: b.s,
			}
			if s.State == state {
				f.Value = 1
			}
			if !yield(f) {
				return false
			}
		}
		return yield(holdfast.Figure{
			Name: "circuit_rejected_total", Help: "Calls that open circuits have rejected, or would have but for ObserveOnly.", Kind: holdfast.Counter,
			Labels: map[string]string{"target": key}, Keys: "circuit", Value: float64(s.Rejected), Owner: b.s,
		})
	})
}
