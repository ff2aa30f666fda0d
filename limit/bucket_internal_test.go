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
	b = newBucket(&o)
	b.allow()
	for range calls {
		if _, no := b.join(until{wait: time.Now().Add(o.Wait)}, &o); no.reason != "" {
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

// Where nobody waits no timer runs.
func TestATimerRunsForThoseWhoWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := RateOptions{PerSecond: 1, Burst: 1, Wait: time.Hour, Queue: 10}.filled()
		b := newBucket(&o)
		b.allow()
		one, _ := b.join(until{wait: time.Now().Add(o.Wait)}, &o)
		two, _ := b.join(until{wait: time.Now().Add(o.Wait)}, &o)
		b.leave(one)
		if b.timer == nil {
			t.Error("no timer runs for the second")
		}
		b.leave(two)
		if b.timer != nil || b.tokens.Tokens() != 0 {
			t.Errorf("a timer runs for nobody, or %v tokens are left of none", b.tokens.Tokens())
		}
	})
}
