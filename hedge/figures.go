package hedge

import (
	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/clock"
)

var _ holdfast.Measured = (*Hedge)(nil)

// Figures tells after how long the calls of a target are hedged, where enough is known of it, and
// how many calls found no times of their target's own.
// Hedges themselves are told as events.
func (h *Hedge) Figures(yield func(holdfast.Figure) bool) {
	if !h.hedges() {
		return
	}
	if !yield(holdfast.FullFigure("hedge", h.s.targets.Late(), h.s)) {
		return
	}
	now := clock.Now()
	h.s.targets.Each(func(key string, t *target) bool {
		delay := t.known(&h.o, now)
		return delay <= 0 || yield(holdfast.Figure{
			Name: "hedge_delay_seconds", Help: "How long a call takes before it is hedged; none where too little is known.", Kind: holdfast.Most,
			Labels: map[string]string{"target": key}, Value: delay.Seconds(),
		})
	})
}
