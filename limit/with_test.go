package limit_test

import (
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast/limit"
)

// Whoever waits goes by the new Max, whichever of the two it waits in and whoever leaves: with
// more room, with less, and with no limit any more.
func TestWithIsInForceForThoseWhoWait(t *testing.T) {
	for _, c := range []struct {
		most, leave int // the new Max, and how many of three leave
		perTarget   bool
		want        int // are let in, of two who wait
	}{
		{most: 4, want: 1}, {most: 5, want: 2}, {most: 4, leave: 1, want: 2}, {most: 1, leave: 2}, {most: 1, leave: 3, want: 1},
		{most: 2, leave: 2, want: 1}, {most: -1, want: 2}, {most: 5, perTarget: true, want: 2}, {most: 1, leave: 2, perTarget: true},
	} {
		for _, late := range []bool{false, true} { // they come after the change
			synctest.Test(t, func(t *testing.T) {
				o := limit.InFlightOptions{Max: 3, Wait: 10 * time.Second, PerTarget: c.perTarget}
				before := limit.NewInFlight(o)
				o.Max = c.most
				var inside []func()
				for range 3 {
					leave, err := before.Acquire(t.Context(), "t")
					if err != nil {
						t.Fatal(err)
					}
					inside = append(inside, leave)
				}
				let := make(chan func(), 2)
				wait := func(l *limit.InFlight) {
					for range 2 {
						go func() {
							if leave, err := l.Acquire(t.Context(), "t"); err == nil {
								let <- leave
							}
						}()
					}
					synctest.Wait()
				}
				if !late {
					wait(before)
				}
				after := before.With(o)
				if late {
					wait(after)
				}
				for _, leave := range inside[:c.leave] {
					leave()
				}
				synctest.Wait()
				if got := len(let); got != c.want {
					t.Errorf("%+v, late %v: %d are let in", c, late, got)
				}
				for _, leave := range inside[c.leave:] {
					leave()
				}
				time.Sleep(time.Minute)
			})
		}
	}
}

// MaxTargets is changed live: what has calls under way is kept, and the rest makes room.
func TestWithBoundsTheTargets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := limit.NewInFlight(limit.InFlightOptions{PerTarget: true})
		enter := func(n int) {
			for i := range n {
				if _, err := in.Acquire(t.Context(), fmt.Sprintf("%d%d", n, i)); err != nil {
					t.Fatal(err)
				}
			}
		}
		enter(3)
		in = in.With(limit.InFlightOptions{PerTarget: true, MaxTargets: 1})
		enter(2) // find no room of their own
		if got := in.Options().MaxTargets; got != 1 || in.Stats("30").InFlight != 1 || in.Stats("20").InFlight == 1 {
			t.Errorf("%d targets at most; %+v, %+v", got, in.Stats("30"), in.Stats("20"))
		}
		in = in.With(limit.InFlightOptions{PerTarget: true, MaxTargets: 100})
		enter(4)
		if in.Stats("40").InFlight != 1 {
			t.Error("there is no room though there may be a hundred")
		}
	})
}

// A Rate that With has made goes by its own rate, before the first call, for a target that is new,
// for one that is not, and for those that find no room of their own.
func TestRateWithIsInForceForEveryTarget(t *testing.T) {
	for _, each := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			old := limit.NewRate(limit.RateOptions{PerSecond: 1000, Burst: 100, PerTarget: each, MaxTargets: 2})
			calls := func(l *limit.Rate, target string) (ok int) {
				for range 200 {
					if l.Acquire(t.Context(), target) == nil {
						ok++
					}
				}
				return ok
			}
			slow := limit.RateOptions{PerSecond: 1, Burst: 3, PerTarget: each, MaxTargets: 2}
			if got := calls(old.With(slow), "first"); got != 3 {
				t.Errorf("%d calls begin at once before there was one, want 3", got)
			}
			old = limit.NewRate(limit.RateOptions{PerSecond: 1000, Burst: 100, PerTarget: each, MaxTargets: 2})
			for _, target := range []string{"a", "b", "late"} {
				calls(old, target)
			}
			with := old.With(slow)
			time.Sleep(2 * time.Second)
			for _, target := range []string{"a", "b", "later"} {
				if got := calls(with, target); got > 3 {
					t.Errorf("%s: %d calls begin at once, want 3 at most", target, got)
				}
			}
		})
	}
}

// A rate that is switched off lets everyone in: who waits, and who comes by the old one. Switched
// on again it begins with all of its Burst, for all that share it.
func TestRateSwitchedOffLetsEveryoneIn(t *testing.T) {
	for _, each := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			o := limit.RateOptions{PerSecond: 0.001, Burst: 2, Wait: time.Hour, PerTarget: each}
			l := limit.NewRate(o)
			start := time.Now()
			var wg sync.WaitGroup
			for range 5 {
				wg.Go(func() {
					if err := l.Acquire(t.Context(), "t"); err != nil {
						t.Error(err)
					}
				})
			}
			synctest.Wait()
			none := l.With(limit.RateOptions{PerSecond: -1})
			wg.Wait()
			for range 10 {
				if l.Acquire(t.Context(), "t") != nil || none.Acquire(t.Context(), "t") != nil || !l.Ready() {
					t.Fatal("there is a limit though it was switched off")
				}
			}
			if time.Since(start) != 0 {
				t.Errorf("let in after %v", time.Since(start))
			}
			time.Sleep(time.Second)
			o.Wait = -1
			again := none.With(o)
			for i := range 3 {
				if err := again.Acquire(t.Context(), "t"); (err == nil) != (i < 2) {
					t.Errorf("call %d by a rate that is switched on again: %v", i, err)
				}
			}
		})
	}
}

// Whoever waits when the rate is changed gets its turn by the new one; who would wait too long by
// it is rejected at once.
func TestRateWithIsInForceForThoseWhoWait(t *testing.T) {
	for _, c := range []struct {
		name                 string
		rate                 float64
		burst                int
		first, second, third time.Duration // when they get their turns, or are rejected: negative
	}{
		{"raised", 10, 1, 500*ms + 50*ms, 650 * ms, 750 * ms},
		{"raised far", 1e9, 1, 500 * ms, 500 * ms, 500 * ms},
		{"lowered", 0.5, 1, 1500 * ms, 3500 * ms, -500 * ms},
		{"lowered far", 1e-9, 1, -500 * ms, -500 * ms, -500 * ms},
		{"not changed", 1, 1, 1000 * ms, 2000 * ms, 3000 * ms},
		{"another burst", 1, 100, 1000 * ms, 2000 * ms, 3000 * ms},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := limit.RateOptions{PerSecond: 1, Burst: 1, Wait: 4 * time.Second, PerTarget: true}
				l := limit.NewRate(o)
				_ = l.Acquire(t.Context(), "t")
				start := time.Now()
				var wg sync.WaitGroup
				for i, want := range []time.Duration{c.first, c.second, c.third} {
					wg.Go(func() {
						err := l.Acquire(t.Context(), "t")
						if took := time.Since(start); (took-want.Abs()).Abs() > time.Microsecond || (err != nil) != (want < 0) {
							t.Errorf("waiter %d: %v after %v, want %v", i, err, took, want)
						}
					})
					synctest.Wait()
				}
				time.Sleep(500 * ms)
				o.PerSecond, o.Burst = c.rate, c.burst
				l.With(o)
				wg.Wait()
			})
		})
	}
}

const ms = time.Millisecond

// A rate for all finds no place of its own in a table that targets have filled, and shares one with
// late targets. Who waits for it goes by that one, and not by what its target had before.
func TestARateForAllThatFindsNoPlaceIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		each := limit.NewRate(limit.RateOptions{PerSecond: 1, Burst: 1, PerTarget: true, MaxTargets: 1})
		if err := each.Acquire(t.Context(), "t"); err != nil { // which is in the table from now on
			t.Fatal(err)
		}
		all := each.With(limit.RateOptions{PerSecond: 1, Burst: 1, Wait: time.Minute, MaxTargets: 1})
		start := time.Now()
		for range 5 {
			if err := all.Acquire(t.Context(), "t"); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(start); took < 4*time.Second || took > 5*time.Second {
			t.Errorf("five calls took %v, of a rate of one a second", took)
		}
	})
}

// A bucket that is full is so by another Burst too: it is as good as a new one. Of one that is not,
// the tokens stay.
func TestAFullBucketStaysFull(t *testing.T) {
	for taken, want := range map[int]int{0: 100, 1: 1} {
		synctest.Test(t, func(t *testing.T) {
			l := limit.NewRate(limit.RateOptions{PerSecond: 0.001, Burst: 2})
			for range taken {
				if err := l.Acquire(t.Context(), "a"); err != nil {
					t.Fatal(err)
				}
			}
			more, got := l.With(limit.RateOptions{PerSecond: 0.001, Burst: 100}), 0
			for more.Acquire(t.Context(), "a") == nil {
				got++
			}
			if got != want {
				t.Errorf("%d tokens after %d were taken, want %d", got, taken, want)
			}
		})
	}
}
