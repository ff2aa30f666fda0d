package prometheus

import (
	"context"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/breaker"
	"github.com/holdfast-go/holdfast/hedge"
	"github.com/holdfast-go/holdfast/loadbalance"
	"github.com/holdfast-go/holdfast/retry"
)

// event counts what the policies tell. It is rare beside calls, and looks its series up
// each time.
func (c *client) event(_ context.Context, e holdfast.Event) {
	m := c.m
	switch e := e.(type) {
	case retry.Event:
		target := m.targets.Of(e.Target)
		if e.Stop != "" {
			m.stops.WithLabelValues(c.name, target, c.words.Of(e.Stop)).Inc()
		} else {
			m.retries.WithLabelValues(c.name, target, c.words.Of(string(e.Code))).Inc()
		}
	case hedge.Event:
		target := m.targets.Of(e.Target)
		switch {
		case e.Won:
			m.hedgesWon.WithLabelValues(c.name, target).Inc()
		case e.Denied != "":
			m.hedgesDenied.WithLabelValues(c.name, target, c.words.Of(e.Reason)).Inc()
		default:
			m.hedges.WithLabelValues(c.name, target).Inc()
		}
	case holdfast.Rejection:
		m.rejections.WithLabelValues(c.name, m.targets.Of(e.Target), c.words.Of(e.Policy), c.words.Of(e.Reason)).Inc()
	case holdfast.Replay:
		m.replays.WithLabelValues(c.name, m.targets.Of(e.Target)).Inc()
	case breaker.Change:
		m.circuitChanges.WithLabelValues(c.name, m.keys.Of(e.Key), e.To.String()).Inc()
	case loadbalance.Change:
		m.endpointChanges.WithLabelValues(c.name, text(e.What)).Inc()
		switch e.What {
		case "ejected":
			m.ejections.WithLabelValues(c.name, text(e.Rule), "true").Inc()
		case "spared":
			m.ejections.WithLabelValues(c.name, text(e.Rule), "false").Inc()
		}
	case loadbalance.Discovery:
		result := "ok"
		if e.Err != nil {
			result = "error"
		}
		m.discoveries.WithLabelValues(c.name, m.sets.Of(e.Resolver), result).Inc()
	}
}
