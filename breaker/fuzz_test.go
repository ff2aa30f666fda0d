package breaker_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/breaker"
)

// A model is a circuit as its documentation says, with all calls kept and counted
// anew each time.
type model struct {
	state breaker.State
	age   int         // of the state: what began in an earlier one does not count
	calls []modelCall // of the present state
	row   int
	began time.Time // the outage
	shut  time.Time
	until time.Time
	stays time.Duration
	probe int // the ticket of the probe under way; 0: none
	sent  time.Time
}

type modelCall struct {
	at     time.Time
	failed bool
}

// A ticket is a call under way.
type ticket struct {
	number int
	probe  bool
	age    int
	answer chan holdfast.Result
}

// opens reports whether the circuit must open, and whether it may: at the edge of
// the window, which is kept in ten buckets, it may be either.
func (m *model) opens(now time.Time) (must, may bool) {
	verdict := func(window time.Duration) bool {
		calls, failures := 0, 0
		for _, c := range m.calls {
			if now.Sub(c.at) < window {
				calls++
				if c.failed {
					failures++
				}
			}
		}
		return m.row >= 50 || calls < 20 && m.row >= 5 || calls >= 20 && float64(failures) >= 0.7*float64(calls)
	}
	all, most := verdict(10*time.Second), verdict(9*time.Second)
	return all && most, all || most
}

// A schedule is one run of calls, some at the same time, of waits and of decisions
// by hand.
type schedule struct {
	*testing.T
	rig     *rig
	model   *model
	send    holdfast.Handler
	tickets []*ticket
	number  int
}

func newSchedule(t *testing.T) *schedule {
	s := &schedule{T: t, rig: newRig(breaker.Options{}), model: &model{}}
	s.send = s.rig.Wrap(func(ctx context.Context, _ *holdfast.Call) holdfast.Result {
		return <-ctx.Value(ticketKey{}).(*ticket).answer
	})
	return s
}

type ticketKey struct{}

// FuzzBreaker runs a schedule against the model.
func FuzzBreaker(f *testing.F) {
	f.Add([]byte{1, 1, 1, 1, 1, 0, 3, 200, 0, 1, 1, 1, 1, 1, 3, 100, 1, 3, 250, 0})
	f.Add([]byte{0, 0, 1, 2, 1, 1, 1, 1, 4, 0, 5, 1, 1, 1, 1, 1, 3, 9, 2, 2, 0})
	f.Add([]byte{6, 6, 6, 1, 1, 1, 1, 1, 7, 0, 3, 40, 6, 7, 0, 6, 7, 10, 6, 0, 7, 2, 7, 1})
	f.Add([]byte{6, 1, 1, 1, 1, 1, 3, 40, 6, 0, 3, 255, 3, 255, 3, 255, 3, 255, 0, 3, 255, 6, 7, 1, 7, 0, 0})
	f.Add([]byte("the quick brown fox jumps over the lazy dog, again and again"))
	f.Fuzz(func(t *testing.T, bytes []byte) {
		if len(bytes) > 1000 {
			return
		}
		synctest.Test(t, func(t *testing.T) {
			s := newSchedule(t)
			defer func() {
				for _, c := range s.tickets {
					c.answer <- ignored
				}
			}()
			for i := 0; i < len(bytes); i++ {
				op, arg := bytes[i]%8, 0
				if (op == 3 || op == 7) && i+1 < len(bytes) {
					i++
					arg = int(bytes[i])
				}
				s.step(op, arg)
				want := s.model.state
				if want == breaker.Open && !time.Now().Before(s.model.until) {
					want = breaker.HalfOpen
				}
				if got := s.rig.State("t"); got != want {
					t.Fatalf("step %d: the circuit is %v, want %v", i, got, want)
				}
			}
		})
	})
}

var outcomes = []holdfast.Result{good, bad, ignored}

func (s *schedule) step(op byte, arg int) {
	m := s.model
	switch op {
	case 0, 1, 2:
		if c := s.begin(); c != nil {
			s.end(c, outcomes[op])
		}
	case 3:
		time.Sleep(time.Duration(arg) * 10 * time.Millisecond)
	case 4:
		s.rig.Isolate("t")
		if m.state != breaker.Isolated {
			*m = model{state: breaker.Isolated, age: m.age + 1}
		}
	case 5:
		s.rig.Reset("t")
		*m = model{age: m.age + 1}
	case 6:
		if c := s.begin(); c != nil {
			s.tickets = append(s.tickets, c)
		}
	case 7:
		if n := len(s.tickets); n > 0 {
			c := s.tickets[arg%n]
			s.tickets = append(s.tickets[:arg%n], s.tickets[arg%n+1:]...)
			s.end(c, outcomes[arg/n%3])
		}
	}
}

// begin begins a call, which must be let through when the model says so.
func (s *schedule) begin() *ticket {
	s.Helper()
	s.number++
	c := &ticket{number: s.number, answer: make(chan holdfast.Result)}
	through := s.model.admit(c, time.Now())
	result := make(chan holdfast.Result, 1)
	go func() {
		ctx := context.WithValue(context.Background(), ticketKey{}, c)
		result <- s.send(ctx, &holdfast.Call{Target: "t", Record: new(holdfast.Record)})
	}()
	synctest.Wait()
	select {
	case res := <-result:
		if through || !errors.Is(res.Err, breaker.ErrOpen) {
			s.Fatalf("in state %v a call comes to %v, want it sent: %v", s.model.state, res.Err, through)
		}
		s.model.overdue(s, time.Now())
		return nil
	default:
		if !through {
			s.Fatalf("in state %v a call is sent", s.model.state)
		}
		return c
	}
}

// admit says whether the model lets a call through.
func (m *model) admit(c *ticket, now time.Time) bool {
	c.age = m.age
	switch m.state {
	case breaker.Closed:
		return true
	case breaker.Open:
		if now.Before(m.until) {
			return false
		}
		m.state = breaker.HalfOpen
		m.age++
	case breaker.HalfOpen:
		if m.probe != 0 {
			return false
		}
	case breaker.Isolated:
		return false
	}
	m.probe, m.sent, c.probe = c.number, now, true
	return true
}

// overdue opens the model when a call has found its probe too old.
func (m *model) overdue(s *schedule, now time.Time) {
	if m.state == breaker.HalfOpen && m.probe != 0 && now.Sub(m.sent) >= 10*time.Second {
		m.open(s, now)
	}
}

// end ends a call, and has the model count what it came to.
func (s *schedule) end(c *ticket, res holdfast.Result) {
	s.Helper()
	c.answer <- res
	synctest.Wait()
	m, now := s.model, time.Now()
	switch {
	case c.probe && m.probe != c.number, !c.probe && (c.age != m.age || res.Class == holdfast.Ignored):
	case c.probe && res.Class == holdfast.Success:
		*m = model{age: m.age + 1, began: m.began, shut: now, stays: m.stays, calls: []modelCall{{now, false}}}
	case c.probe && res.Class == holdfast.Failure:
		m.open(s, now)
	case c.probe:
		m.probe = 0
	case res.Class == holdfast.Success:
		m.row = 0
		m.calls = append(m.calls, modelCall{now, false})
	default:
		m.row++
		m.calls = append(m.calls, modelCall{now, true})
		must, may := m.opens(now)
		opened := s.rig.State("t") != breaker.Closed
		if must && !opened || opened && !may {
			s.Fatalf("%d in a row of %d calls: opened is %v", m.row, len(m.calls), opened)
		}
		if opened {
			m.open(s, now)
		}
	}
}

// open opens the model for as long as the circuit says, within what it may be.
func (m *model) open(s *schedule, now time.Time) {
	s.Helper()
	if m.state == breaker.Closed && now.Sub(m.shut) > m.stays {
		m.began = now
	}
	most := min(max(200*time.Millisecond, now.Sub(m.began)/4), time.Minute)
	*m = model{state: breaker.Open, age: m.age + 1, began: m.began, shut: m.shut, until: s.rig.Status("t").Until}
	if m.stays = m.until.Sub(now); m.stays > most || m.stays < most*8/10-1 {
		s.Fatalf("open for %v, want %v less a fifth at most", m.stays, most)
	}
}
