package prometheus

import (
	"context"

	"github.com/holdfast-go/holdfast"
)

// event counts what the policies tell. It is rare beside calls, and looks its series up
// each time.
func (c *client) event(_ context.Context, e holdfast.Event) {
	m := c.m
	switch e.Kind {
	case "retry":
		m.retries.WithLabelValues(c.name, m.targets.Of(e.Target), c.reason(e.Code)).Inc()
	case "retry_stopped":
		m.stops.WithLabelValues(c.name, m.targets.Of(e.Target), c.words.Of(e.Reason)).Inc()
	case "hedge":
		m.hedges.WithLabelValues(c.name, m.targets.Of(e.Target)).Inc()
	case "hedge_won":
		m.hedgesWon.WithLabelValues(c.name, m.targets.Of(e.Target)).Inc()
	case "hedge_denied":
		m.hedgesDenied.WithLabelValues(c.name, m.targets.Of(e.Target), c.words.Of(e.Reason)).Inc()
	case "rejection":
		m.rejections.WithLabelValues(c.name, m.targets.Of(e.Target), c.words.Of(e.Policy), c.words.Of(e.Reason)).Inc()
	case "replay":
		m.replays.WithLabelValues(c.name, m.targets.Of(e.Target)).Inc()
	case "circuit":
		m.circuitChanges.WithLabelValues(c.name, m.keys.Of(e.Target), c.words.Of(e.To)).Inc()
	case "endpoint":
		m.endpointChanges.WithLabelValues(c.name, c.words.Of(e.To)).Inc()
		switch e.To {
		case "ejected":
			m.ejections.WithLabelValues(c.name, c.words.Of(e.Reason), "true").Inc()
		case "spared":
			m.ejections.WithLabelValues(c.name, c.words.Of(e.Reason), "false").Inc()
		}
	case "discovery":
		result := "ok"
		if e.Err != nil {
			result = "error"
		}
		m.discoveries.WithLabelValues(c.name, m.sets.Of(e.Target), result).Inc()
	}
}

// reason is a code as the label of why a call is repeated.
func (c *client) reason(code holdfast.Code) string {
	if known(code) {
		return string(code)
	}
	return c.words.Of(string(code))
}
