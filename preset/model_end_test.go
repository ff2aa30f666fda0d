package preset_test

import (
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast/limit"
	"github.com/holdfast-go/holdfast/preset"
)

// finish ends all that is under way, and looks for what was not given back.
func (m *model) finish() {
	m.t.Helper()
	for range 1000 {
		synctest.Wait()
		var open []*attempt
		left := 0
		m.locked(func() {
			open = append(open, m.under...)
			for _, c := range m.calls {
				if !c.over {
					left++
				}
			}
		})
		if left == 0 {
			break
		}
		for _, a := range open {
			select {
			case a.end <- nil:
			default:
			}
		}
		time.Sleep(100 * time.Millisecond)
	}
	m.check()
	for _, c := range m.calls {
		if !c.over {
			m.t.Fatalf("a call to %s, which began %v ago with Config %d, is not over: %d attempts, %d open", c.target, time.Since(c.began), c.number, c.attempts, c.open)
		}
	}
	for _, way := range []limit.InFlightOptions{{Max: 2}, {Max: 2, PerTarget: true}} {
		c := preset.Standard()
		c.Limit = way
		m.update(c)
		for _, target := range m.targets {
			if s := m.stack.Limit().Stats(target); s.InFlight != 0 || s.Waiting != 0 {
				m.t.Errorf("%s: %+v, and there is no call", target, s)
			}
		}
	}
	for _, target := range m.targets {
		s := m.stack.Budget().Stats(target)
		if taken := int(s.Withdrawn) - int(s.Refunded); taken != m.sent[target] {
			m.t.Errorf("%s: %+v: %d tokens were taken, and %d repeats and hedges sent", target, s, taken, m.sent[target])
		}
	}
	for _, target := range m.targets {
		time.Sleep(2 * time.Hour) // circuits that are open are due, rates have their tokens
		m.isolate(target, false)
		before := len(m.calls)
		m.begin(target, false)
		synctest.Wait()
		m.locked(func() {
			if len(m.under) != 1 {
				m.t.Fatalf("a call to %s, hours after, is not sent: %v", target, m.calls[before].err)
			}
		})
		m.under[0].end <- nil
		m.check()
	}
}
