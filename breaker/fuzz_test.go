package breaker_test

import (
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
	calls []modelCall // of the present state
	row   int
	began time.Time // the outage
	shut  time.Time
	until time.Time
	stays time.Duration
}

type modelCall struct {
	at     time.Time
	failed bool
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

// FuzzBreaker runs a schedule of calls, waits and decisions by hand against the model.
func FuzzBreaker(f *testing.F) {
	f.Add([]byte{1, 1, 1, 1, 1, 0, 3, 200, 0, 1, 1, 1, 1, 1, 3, 100, 1, 3, 250, 0})
	f.Add([]byte{0, 0, 1, 2, 1, 1, 1, 1, 4, 0, 5, 1, 1, 1, 1, 1, 3, 9, 2, 2, 0})
	f.Add([]byte("the quick brown fox jumps over the lazy dog, again and again"))
	f.Fuzz(func(t *testing.T, schedule []byte) {
		if len(schedule) > 1000 {
			return
		}
		synctest.Test(t, func(t *testing.T) {
			r, m := newRig(breaker.Options{}), &model{}
			for i := 0; i < len(schedule); i++ {
				now := time.Now()
				switch op := schedule[i] % 6; op {
				case 0, 1, 2:
					modelCallOf(t, r, m, []holdfast.Result{good, bad, ignored}[op], now)
				case 3:
					if i++; i < len(schedule) {
						time.Sleep(time.Duration(schedule[i]) * 10 * time.Millisecond)
					}
				case 4:
					r.Isolate("t")
					*m = model{state: breaker.Isolated}
				case 5:
					r.Reset("t")
					*m = model{}
				}
				want := m.state
				if want == breaker.Open && !time.Now().Before(m.until) {
					want = breaker.HalfOpen
				}
				if got := r.State("t"); got != want {
					t.Fatalf("step %d: the circuit is %v, want %v", i, got, want)
				}
			}
		})
	})
}

func modelCallOf(t *testing.T, r *rig, m *model, res holdfast.Result, now time.Time) {
	t.Helper()
	through := m.state == breaker.Closed || m.state == breaker.HalfOpen || m.state == breaker.Open && !now.Before(m.until)
	got := r.call(res)
	if errors.Is(got.Err, breaker.ErrOpen) == through {
		t.Fatalf("in state %v the call is let through: %v, want %v", m.state, !through, through)
	}
	switch {
	case !through:
	case m.state != breaker.Closed: // a probe
		switch res.Class {
		case holdfast.Success:
			*m = model{began: m.began, shut: now, stays: m.stays, calls: []modelCall{{now, false}}}
		case holdfast.Failure:
			m.open(t, r, now)
		default:
			m.state = breaker.HalfOpen
		}
	case res.Class == holdfast.Success:
		m.row = 0
		m.calls = append(m.calls, modelCall{now, false})
	case res.Class == holdfast.Failure:
		m.row++
		m.calls = append(m.calls, modelCall{now, true})
		must, may := m.opens(now)
		opened := r.State("t") != breaker.Closed
		if must && !opened || opened && !may {
			t.Fatalf("%d in a row of %d calls: opened is %v", m.row, len(m.calls), opened)
		}
		if opened {
			m.open(t, r, now)
		}
	}
}

// open opens the model for as long as the circuit says, within what it may be.
func (m *model) open(t *testing.T, r *rig, now time.Time) {
	t.Helper()
	if m.state == breaker.Closed && now.Sub(m.shut) > m.stays {
		m.began = now
	}
	most := min(max(200*time.Millisecond, now.Sub(m.began)/4), time.Minute)
	*m = model{state: breaker.Open, began: m.began, shut: m.shut, until: r.Status("t").Until}
	if m.stays = m.until.Sub(now); m.stays > most || m.stays < most*8/10-1 {
		t.Fatalf("open for %v, want %v less a fifth at most", m.stays, most)
	}
}
