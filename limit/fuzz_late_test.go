package limit_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast/limit"
)

// guests are calls to more targets than have limits of their own.
type guests struct {
	l               *limit.InFlight
	inside, waiting []*guest
}

type guest struct {
	target string
	done   chan func() // nil comes: it was not let in
	leave  func()
	quit   context.CancelFunc
}

func (m *guests) of(target string) (n int) {
	for _, g := range m.inside {
		if g.target == target {
			n++
		}
	}
	return n
}

// settle takes note of who was let in or has given up. None is let in beyond the limit of its
// target, wherever that is counted.
func (m *guests) settle(t *testing.T, step int) {
	t.Helper()
	synctest.Wait()
	most := m.l.Options().Max
	var waiting []*guest
	for _, g := range m.waiting {
		select {
		case g.leave = <-g.done:
			if g.leave == nil {
				continue
			}
			if m.inside = append(m.inside, g); m.of(g.target) > most {
				t.Fatalf("step %d: %d calls to %s are under way, and %d may be", step, m.of(g.target), g.target, most)
			}
		default:
			waiting = append(waiting, g)
		}
	}
	m.waiting = waiting
}

// compare holds the figures against what is known. Nobody waits for nothing, and
// nobody for strangers while there is room in the table.
func (m *guests) compare(t *testing.T, step int) {
	t.Helper()
	figures, inside, waiting, own := told(m.l), 0.0, 0.0, 0
	for name, value := range figures {
		switch {
		case len(name) > 16 && name[:16] == "limit_in_flight ":
			if inside += value; value > 0 && name[16:] != "other" {
				own++
			}
		case len(name) > 14 && name[:14] == "limit_waiting ":
			waiting += value
		}
	}
	if int(inside) != len(m.inside) || int(waiting) != len(m.waiting) {
		t.Fatalf("step %d: %v, want %d inside and %d waiting", step, figures, len(m.inside), len(m.waiting))
	}
	o := m.l.Options()
	for _, g := range m.waiting {
		n := m.of(g.target)
		if n < o.Max && int(figures["limit_in_flight other"]) < o.Max {
			t.Fatalf("step %d: a call to %s waits, and there is room: %v", step, g.target, figures)
		}
		if n == 0 && own < o.MaxTargets {
			t.Fatalf("step %d: a call to %s waits for strangers, and there is room for it: %v", step, g.target, figures)
		}
	}
}

// FuzzLateTargets has calls to five targets come, wait, give up and go, while one to four of them
// may have a limit of their own; and takes tokens for them.
func FuzzLateTargets(f *testing.F) {
	f.Add([]byte("\x00\x05\x0a\x0f\x14\x04\x00\x05\x02\x07\x2c\x01\x06\x03\x08"))
	f.Add([]byte("the quick brown fox jumps over the lazy dog, again and again"))
	f.Fuzz(func(t *testing.T, schedule []byte) {
		if len(schedule) > 200 {
			return
		}
		synctest.Test(t, func(t *testing.T) {
			const perSecond, burst = 10, 4
			o := limit.InFlightOptions{Max: 2, Wait: time.Hour, Queue: 5, PerTarget: true, MaxTargets: 2}
			m := &guests{l: limit.NewInFlight(o)}
			r := limit.NewRate(limit.RateOptions{PerSecond: perSecond, Burst: burst, PerTarget: true, MaxTargets: 2})
			taken := map[string][]time.Time{}
			for i, b := range schedule {
				target := string('a' + b/5%5)
				switch op := b % 5; {
				case op <= 1: // one comes
					ctx, quit := context.WithCancel(t.Context())
					g := &guest{target: target, done: make(chan func(), 1), quit: quit}
					l := m.l
					go func() {
						leave, err := l.Acquire(ctx, target)
						if err != nil {
							leave = nil
						}
						g.done <- leave
					}()
					m.waiting = append(m.waiting, g)
					if r.Acquire(t.Context(), target) == nil {
						taken[target] = append(taken[target], time.Now())
					}
				case op == 2 && len(m.inside) > 0: // one goes
					at := int(b/5) % len(m.inside)
					g := m.inside[at]
					m.inside = append(m.inside[:at:at], m.inside[at+1:]...)
					g.leave()
					g.quit()
				case op == 3 && len(m.waiting) > 0: // one gives up
					m.waiting[int(b/5)%len(m.waiting)].quit()
				case op == 4: // time passes, and there is another limit
					time.Sleep(time.Duration(b) * ms)
					o.Max, o.MaxTargets = 1+int(b/5)%3, 1+int(b/20)%4
					m.l = m.l.With(o)
					ro := r.Options()
					ro.MaxTargets = o.MaxTargets
					r = r.With(ro)
				}
				m.settle(t, i)
				m.compare(t, i)
			}
			for target, at := range taken {
				for i := range at {
					for j := i + burst; j < len(at); j++ {
						if took := at[j].Sub(at[i]); float64(j-i+1) > burst+perSecond*took.Seconds()+hair {
							t.Fatalf("%s: %d tokens in %v", target, j-i+1, took)
						}
					}
				}
			}
			for len(m.inside) > 0 || len(m.waiting) > 0 {
				for _, g := range m.inside {
					g.leave()
				}
				m.inside = nil
				for _, g := range m.waiting {
					g.quit()
				}
				m.settle(t, len(schedule))
			}
			o.MaxTargets = 100
			m.l = m.l.With(o)
			for target := byte('a'); target <= 'e'; target++ {
				defer enter(t, m.l, string(target))()
				if figures := told(m.l); figures["limit_in_flight "+string(target)] != 1 {
					t.Fatalf("%c has no limit of its own, and nothing is under way: %v", target, figures)
				}
			}
		})
	})
}
