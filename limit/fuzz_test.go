package limit_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast/limit"
)

// A queued call of the model: what became of it, by the limit's own word.
type queued struct {
	done chan error
	slot func()
	ends time.Time // of its wait
	quit context.CancelFunc
}

// A crowd is the naive model of an InFlight: who is inside, and who waits in which order.
type crowd struct {
	most      int          // negative: no limit
	kind      int          // 1: each target has a limit of its own
	inside    [2][]*queued // by the kind of limit that they count for
	waiting   []*queued
	uncounted []*queued // came while there was no limit
}

func (m *crowd) room() bool { return m.most < 0 || len(m.inside[m.kind]) < m.most }

func (m *crowd) enter(q *queued) { m.inside[m.kind] = append(m.inside[m.kind], q) }

// leave has one leave, if there is one; which is any number.
func (m *crowd) leave(which, kind int) {
	if inside := m.inside[kind]; len(inside) > 0 {
		at := which % len(inside)
		inside[at].slot()
		inside[at].quit()
		m.inside[kind] = append(inside[:at:at], inside[at+1:]...)
	}
}

// settle takes in who has been let in, in turn.
func (m *crowd) settle(t *testing.T) {
	t.Helper()
	synctest.Wait()
	for len(m.waiting) > 0 && m.room() {
		q := m.waiting[0]
		select {
		case err := <-q.done:
			if err != nil {
				t.Fatalf("the first in turn is not let in: %v", err)
			}
			m.enter(q)
			m.waiting = m.waiting[1:]
		default:
			t.Fatalf("%d inside of %d, and the first of %d waits", len(m.inside[m.kind]), m.most, len(m.waiting))
		}
	}
}

// expire has those leave whose wait is over.
func (m *crowd) expire(t *testing.T) {
	t.Helper()
	synctest.Wait()
	var stay []*queued
	for _, q := range m.waiting {
		if time.Now().Before(q.ends) {
			stay = append(stay, q)
			continue
		}
		if err := <-q.done; err == nil {
			t.Fatal("one whose wait is over is let in")
		}
		q.quit()
	}
	m.waiting = stay
}

// FuzzInFlight runs calls that come, wait, give up and go against that model, while the limit is
// changed by With, for one target and for all, and calls come by what it was made of as well.
func FuzzInFlight(f *testing.F) {
	f.Add([]byte{0, 0, 0, 0, 1, 3, 9, 0, 1, 1, 2, 0})
	f.Add([]byte("the quick brown fox jumps over the lazy dog, again and again"))
	f.Add([]byte{0, 0, 0, 0, 0, 5, 29, 0, 0, 2, 2, 53, 0, 0, 0, 11, 2, 2, 4, 124})
	f.Fuzz(func(t *testing.T, schedule []byte) {
		if len(schedule) > 300 {
			return
		}
		synctest.Test(t, func(t *testing.T) {
			made := []*limit.InFlight{limit.NewInFlight(limit.InFlightOptions{Max: 3, Wait: time.Second, Queue: 4})}
			m := &crowd{most: 3}
			for i, b := range schedule {
				l := made[int(b)/24%len(made)]
				switch op := b % 6; {
				case op <= 1: // one comes
					come(t, l, m)
				case op == 2: // one goes
					m.leave(int(b), int(b)/12%2)
					m.settle(t)
				case op == 3 && len(m.waiting) > 0: // one that waits gives up
					at := int(b) % len(m.waiting)
					m.waiting[at].quit()
					if err := <-m.waiting[at].done; err == nil {
						t.Fatal("one that has left is let in")
					}
					m.waiting = append(m.waiting[:at:at], m.waiting[at+1:]...)
				case op == 4: // time passes
					time.Sleep(time.Duration(b) * 5 * time.Millisecond)
					m.expire(t)
				case op == 5: // another limit
					o := limit.InFlightOptions{Max: int(b/6%7) - 1, Queue: int(b/42%6) - 1, Wait: time.Duration(b%4) * time.Second / 2, PerTarget: b/12%3 == 0}
					made = append(made, l.With(o))
					m.most = made[len(made)-1].Options().Max
					if m.kind = 0; o.PerTarget {
						m.kind = 1
					}
					m.settle(t)
				}
				if s := l.Stats("a"); s.InFlight != len(m.inside[m.kind]) || s.Waiting != len(m.waiting) {
					t.Fatalf("step %d: %+v, want %d inside and %d waiting", i, s, len(m.inside[m.kind]), len(m.waiting))
				}
				for range l.Figures { // to read them changes nothing
					continue
				}
			}
			for _, q := range m.waiting {
				q.quit()
				<-q.done
			}
			m.inside[0] = append(m.inside[0], m.uncounted...)
			for kind := range m.inside {
				for len(m.inside[kind]) > 0 {
					m.leave(0, kind)
				}
			}
			for name, value := range told(made[0]) {
				if value != 0 && name != "limit_max " {
					t.Fatalf("%s: %v is left", name, value)
				}
			}
		})
	})
}

// come has one come by l.
func come(t *testing.T, l *limit.InFlight, m *crowd) {
	t.Helper()
	o := l.Options()
	ctx, quit := context.WithCancel(t.Context())
	q := &queued{done: make(chan error, 1), ends: time.Now().Add(o.Wait), quit: quit}
	go func() {
		var err error
		q.slot, err = l.Acquire(ctx, "a")
		q.done <- err
	}()
	synctest.Wait()
	switch {
	case m.most < 0:
		if err := <-q.done; err != nil {
			t.Fatalf("one is refused, and there is no limit: %v", err)
		}
		m.uncounted = append(m.uncounted, q)
	case len(m.waiting) == 0 && m.room():
		if err := <-q.done; err != nil {
			t.Fatalf("%d inside of %d, and one is refused: %v", len(m.inside[m.kind]), m.most, err)
		}
		m.enter(q)
	case o.Wait <= 0 || len(m.waiting) >= o.Queue:
		if err := <-q.done; err == nil {
			t.Fatal("the queue has room for one more than it may")
		}
		quit()
	default:
		m.waiting = append(m.waiting, q)
	}
}
