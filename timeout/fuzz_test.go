package timeout_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/timeout"
)

// FuzzPhases holds the phases of a call against a naive model of them. setup
// chooses the kind of call and its limits, steps is what server and reader do
// in turn, where the call may ask for its limit itself: a step is a wait for the server (odd) or a rest of the reader (even),
// and how long it takes.
func FuzzPhases(f *testing.F) {
	f.Add(uint8(0), uint8(5), uint8(3), uint8(2), []byte{1, 2, 0, 200, 1, 9})
	f.Add(uint8(1), uint8(9), uint8(0), uint8(9), []byte{1, 1, 1, 2, 1, 3})
	f.Add(uint8(2), uint8(1), uint8(2), uint8(0), []byte{0, 255, 1, 1, 0, 255, 1, 3})
	f.Add(uint8(3), uint8(200), uint8(1), uint8(1), []byte{0, 0, 1, 0, 1, 2})
	f.Add(uint8(8), uint8(9), uint8(3), uint8(2), []byte{1, 2, 0, 200, 1, 9})
	f.Add(uint8(13), uint8(9), uint8(0), uint8(9), []byte{1, 1, 1, 2, 1, 3})
	f.Add(uint8(4), uint8(0), uint8(4), uint8(200), []byte{0, 255, 0, 255, 1, 5})
	f.Fuzz(func(t *testing.T, setup, limit, idle, first uint8, steps []byte) {
		m := model{whole: setup&1 != 0, stream: setup&2 != 0}
		// Odd nanoseconds: what a limit ends never happens along with a step.
		o := timeout.Options{Limit: -1, Idle: -1, Streams: setup&4 != 0}
		if limit > 0 {
			o.Limit = time.Duration(limit)*time.Second + 1
		}
		if idle > 0 {
			o.Idle = time.Duration(idle)*time.Second + 7
			m.idle = o.Idle
		}
		if limit > 0 && (!m.stream || !m.whole || o.Streams) {
			m.limit = o.Limit
		}
		if m.asks = setup&8 != 0; m.asks {
			m.asked, o.Limit = o.Limit, time.Second+3 // which others have
		}
		m.steps, m.first = steps, time.Duration(first)*time.Second

		synctest.Test(t, func(t *testing.T) {
			wantAt, want := m.run()
			gotAt, got := drive(t, m, timeout.New(o))
			if gotAt != wantAt || got != want {
				t.Errorf("%+v under %+v: ended at %v by %q, want %v by %q", m, o, gotAt, got, wantAt, want)
			}
		})
	})
}

type model struct {
	whole, stream bool
	asks          bool          // by its context
	asked         time.Duration // and for what
	limit, idle   time.Duration // 0: none
	first         time.Duration
	steps         []byte
}

// step returns the i-th step.
func (m model) step(i int) (reads bool, d time.Duration) {
	return m.steps[i]%2 == 1, time.Duration(m.steps[i+1]) * time.Second
}

// run says when the call ends, and by what.
func (m model) run() (at time.Duration, by string) {
	if m.limit > 0 && m.limit < m.first {
		if m.whole {
			return m.limit, "call"
		}
		return m.limit, "attempt"
	}
	now, begun, rested := m.first, false, time.Duration(0)
	for i := 0; i+1 < len(m.steps); i += 2 {
		reads, d := m.step(i)
		if reads {
			begun, rested = true, 0
		}
		allowed, by := time.Duration(0), "unread"
		switch {
		case m.idle == 0 || m.stream && !reads:
		case reads:
			allowed, by = m.idle, "idle"
		case !begun:
			allowed = m.idle - rested
		default:
			allowed = max(10*m.idle, time.Minute) - rested
		}
		whole := m.whole && m.limit > 0 && m.limit < now+d
		if allowed > 0 && allowed < d && !(whole && m.limit < now+allowed) {
			return now + allowed, by
		}
		if whole {
			return m.limit, "call"
		}
		if now += d; reads {
			rested = 0
		} else {
			rested += d
		}
	}
	return now, "reader"
}

// drive does the same with a real call.
func drive(t *testing.T, m model, p *timeout.Timeout) (at time.Duration, by string) {
	start := time.Now()
	outer := claim
	if m.whole {
		outer = nil
	}
	ctx := t.Context()
	if m.asks {
		ctx = timeout.WithLimit(ctx, m.asked)
	}
	var seen context.Context
	res := holdfast.Chain(outer, p)(ctx, &holdfast.Call{Stream: m.stream, Sender: send(func(ctx context.Context, call *holdfast.Call) holdfast.Result {
		seen = ctx
		return takes(m.first)(ctx, call)
	})})
	b, _ := res.Reply.(*body)
	for i := 0; b != nil && i+1 < len(m.steps); i += 2 {
		reads, d := m.step(i)
		if reads && b.read(d) != nil || !reads && !wait(b.ctx, d) {
			break
		}
	}
	at, by = time.Since(start), "reader"
	if seen.Err() != nil {
		by = "unread"
		if limit, ok := context.Cause(seen).(*holdfast.TimeoutError); ok {
			by = limit.Scope
		}
	}
	res.Discard()
	if seen != ctx && seen.Err() == nil {
		t.Error(fmt.Sprint("not let go of: ", seen))
	}
	return at, by
}
