package limit

import (
	"testing"
	"testing/synctest"
	"time"
)

// late has that many calls wait for a rate of 1000 a second and one at once, whose timer is that
// late, and returns how many have their tokens then.
func late(t *testing.T, calls int, by time.Duration) (served int, b *bucket) {
	o := RateOptions{PerSecond: 1000, Burst: 1, Wait: time.Hour, Queue: calls}.filled()
	b = newRates(&o).all
	b.allow()
	for range calls {
		if _, no := b.join(until{wait: time.Now().Add(o.Wait)}, &o, ""); no.reason != "" {
			t.Fatal(no)
		}
	}
	b.timer.Stop()
	time.Sleep(by)
	b.look()
	return calls - int(b.waiting.Load()), b
}

// A timer that is late loses no token, though the burst is one: each was due to somebody.
func TestALateTimerLosesNoToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		if served, _ := late(t, 100, 50*time.Millisecond); served != 50 {
			t.Errorf("%d have their tokens after 50 ms, want 50", served)
		}
		time.Sleep(time.Second)
	})
}

// After a pause of the process there is no flood: a tenth of a second is made up for.
func TestAPauseIsNotMadeUpFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		served, b := late(t, 1000, time.Minute)
		if served < 100 || served > 102 {
			t.Errorf("%d have their tokens after a minute, want what is due in a tenth of a second", served)
		}
		time.Sleep(500 * time.Millisecond)
		if more := 1000 - int(b.waiting.Load()) - served; more < 499 || more > 501 {
			t.Errorf("%d more half a second later, want 500", more)
		}
		time.Sleep(time.Second)
	})
}

// Whoever comes while the timer is late takes no token before those who wait, and a bucket with a
// queue is not forgotten.
func TestNobodyIsServedBeforeThoseWhoWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := RateOptions{PerSecond: 1, Burst: 1, Wait: time.Hour, Queue: 10}.filled()
		b := newRates(&o).all
		b.allow()
		first, _ := b.join(until{wait: time.Now().Add(o.Wait)}, &o, "")
		b.timer.Stop()
		time.Sleep(time.Minute)
		if b.allow() || b.ready() || b.idle() {
			t.Errorf("one waits: allow %v, ready %v, idle %v", b.allow(), b.ready(), b.idle())
		}
		if second, no := b.join(until{wait: time.Now().Add(o.Wait)}, &o, ""); second != nil || no.reason != "" || first.at != nil {
			t.Errorf("the first is served: %v; the second: %v, %v, and a token has come since", first.at == nil, second, no)
		}
	})
}

// Where nobody waits no timer runs.
func TestATimerRunsForThoseWhoWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := RateOptions{PerSecond: 1, Burst: 1, Wait: time.Hour, Queue: 10}.filled()
		b := newRates(&o).all
		b.allow()
		by := until{wait: time.Now().Add(o.Wait)}
		one, _ := b.join(by, &o, "")
		two, _ := b.join(by, &o, "")
		one.leave()
		timer := b.timer
		if timer == nil {
			t.Fatal("no timer runs for the second")
		}
		two.leave()
		if b.timer != nil || timer.Stop() || b.tokens.Tokens() != 0 {
			t.Errorf("a timer runs for nobody, or %v tokens are left of none", b.tokens.Tokens())
		}
	})
}

// Who is refused since the rate was lowered has no token, and gives none back as it leaves.
func TestWhoIsRefusedGivesNothingBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := RateOptions{PerSecond: 1, Burst: 1, Wait: time.Hour, Queue: 10}.filled()
		b := newRates(&o).all
		b.allow()
		one, _ := b.join(until{wait: time.Now().Add(time.Minute)}, &o, "")
		o.PerSecond = 1e-6
		b.set(&o)
		if one.no.reason == "" {
			t.Fatal("it is to wait for eleven days")
		}
		one.leave()
		if got := b.tokens.Tokens(); got != 0 {
			t.Errorf("%v tokens are left of none", got)
		}
	})
}

// A call that has found its target late, and comes to wait when MaxTargets has been raised in
// between, waits among strangers as long as it is known to: then it moves.
func TestOneThatComesToWaitLateMoves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ro := RateOptions{PerSecond: 1, Burst: 1, Wait: time.Hour, Queue: 10, PerTarget: true, MaxTargets: 1}
		r := NewRate(ro)
		for _, target := range []string{"early", "late"} {
			if err := r.Acquire(t.Context(), target); err != nil {
				t.Fatal(err)
			}
		}
		b, e, _ := r.s.hold("late")
		ro.MaxTargets = 10
		r.With(ro)
		turn, _ := b.join(until{wait: time.Now().Add(time.Hour)}, &ro, "late")
		e.Release()
		if err := r.Acquire(t.Context(), "late"); err != nil || turn.at != nil || turn.bucket.Load() == b || turn.no.reason != "" {
			t.Errorf("%v; it waits among strangers, behind one that came later: %+v", err, turn)
		}
		if took := time.Since(turn.wait) + time.Hour; took != 2*time.Second {
			t.Errorf("both had their tokens after %v", took)
		}
	})
}

// One that finds where PerTarget has it wait, and comes to wait there when that has changed in
// between, waits where it belongs.
func TestOneThatComesToWaitAfterAChangeWaitsWhereItBelongs(t *testing.T) {
	for _, each := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			ro := RateOptions{PerSecond: 0.1, Burst: 1, Wait: time.Hour, Queue: 10, PerTarget: each}
			r := NewRate(ro)
			if err := r.Acquire(t.Context(), "a"); err != nil {
				t.Fatal(err)
			}
			b, e, _ := r.s.hold("a")
			ro.PerTarget = !each
			r.With(ro)
			turn, _ := b.join(until{wait: time.Now().Add(time.Hour)}, &ro, "a")
			release(e)
			if r.s.look(turn); turn.bucket.Load() == b || turn.at != nil {
				t.Errorf("%v: it waits where nobody does any more", each)
			}

			o := InFlightOptions{Max: 1, Wait: time.Hour, PerTarget: each}
			l := NewInFlight(o)
			if _, err := l.Acquire(t.Context(), "a"); err != nil {
				t.Fatal(err)
			}
			room, entry := l.rooms.hold("a", new(patience))
			o.PerTarget = !each
			l.With(o)
			w, _ := room.enter(&l.o, "a", nil)
			release(entry)
			if l.rooms.look(w); w.room.Load() == room || w.at != nil {
				t.Errorf("%v: it waits where nobody does any more", each)
			}
			time.Sleep(time.Minute)
		})
	}
}

// One that comes to wait among strangers just after another target has made room goes there.
func TestOneThatComesToWaitAsRoomIsMadeMoves(t *testing.T) {
	l := NewInFlight(InFlightOptions{Max: 1, Wait: time.Hour, PerTarget: true, MaxTargets: 1})
	leave, _ := l.Acquire(t.Context(), "early")
	if _, err := l.Acquire(t.Context(), "stranger"); err != nil {
		t.Fatal(err)
	}
	room, entry := l.rooms.hold("late", new(patience))
	leave()
	w, _ := room.enter(&l.o, "late", nil)
	release(entry)
	if l.rooms.look(w); w.room.Load() == room || w.at != nil {
		t.Error("it waits among strangers")
	}
}
