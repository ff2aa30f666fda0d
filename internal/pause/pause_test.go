package pause

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast/internal/clock"
)

const ms = int64(time.Millisecond)

// reset forgets everything; tests of this package do not run at once.
func reset() {
	mu.Lock()
	defer mu.Unlock()
	spans, next, count, total = [remembered]span{}, 0, 0, 0
	latest.Store(0)
}

// What is known is the time between when a timer was due and when it ran; several timers
// that were late for the same reason show one pause.
func TestLateTimersShowAPause(t *testing.T) {
	for name, c := range map[string]struct {
		notes    [][2]int64 // due, ran
		from, to int64
		want     int64
		count    uint64
	}{
		"nothing":                       {nil, 0, 1000, 0, 0},
		"in time":                       {[][2]int64{{100, 100}, {200, 219}}, 0, 1000, 0, 0},
		"late":                          {[][2]int64{{100, 120}}, 0, 1000, 20, 1},
		"only what falls into the time": {[][2]int64{{100, 700}}, 300, 500, 200, 1},
		"before":                        {[][2]int64{{100, 700}}, 700, 900, 0, 1},
		"after":                         {[][2]int64{{100, 700}}, 0, 100, 0, 1},
		"an earlier timer runs later":   {[][2]int64{{500, 700}, {100, 701}, {300, 702}}, 0, 1000, 602, 1},
		"the same one again":            {[][2]int64{{100, 700}, {100, 700}, {650, 700}}, 0, 1000, 600, 1},
		"two pauses":                    {[][2]int64{{100, 200}, {300, 400}}, 0, 1000, 200, 2},
		"a timer that spans both":       {[][2]int64{{100, 200}, {300, 400}, {150, 401}}, 0, 1000, 301, 2},
		"half of two":                   {[][2]int64{{100, 200}, {300, 400}}, 150, 350, 100, 2},
	} {
		t.Run(name, func(t *testing.T) {
			reset()
			base := clock.Now()
			for _, n := range c.notes {
				if late := Note(base+n[0]*ms, base+n[1]*ms); late != (n[1]-n[0] >= 20) {
					t.Errorf("due %d, ran %d: late %v", n[0], n[1], late)
				}
			}
			if got, _ := Between(base+c.from*ms, base+c.to*ms); got != time.Duration(c.want*ms) {
				t.Errorf("%v between, want %d ms", got, c.want)
			}
			if ran := Ran(base+c.from*ms, base+c.to*ms); ran != time.Duration((c.to-c.from-c.want)*ms) {
				t.Errorf("ran for %v", ran)
			}
			if n, _ := Total(); n != c.count {
				t.Errorf("%d pauses, want %d", n, c.count)
			}
		})
	}
}

// The longest pause counts by what of it is in the time.
func TestTheLongestOfSeveralPauses(t *testing.T) {
	reset()
	base := clock.Now()
	Note(base+100*ms, base+200*ms)
	Note(base+300*ms, base+600*ms)
	for _, c := range [][3]int64{{0, 50, 0}, {0, 250, 100}, {0, 1000, 300}, {150, 350, 50}, {500, 1000, 100}, {700, 1000, 0}} {
		if _, got := Between(base+c[0]*ms, base+c[1]*ms); got != time.Duration(c[2]*ms) {
			t.Errorf("%v from %d to %d, want %d ms", got, c[0], c[1], c[2])
		}
	}
}

// The total is the sum of what Between knows.
func TestTheTotalIsTheSum(t *testing.T) {
	reset()
	base := clock.Now()
	for i := range int64(100) {
		Note(base+i*100*ms, base+(i*100+30)*ms)
		Note(base+(i*100-10)*ms, base+(i*100+40)*ms)
	}
	n, stood := Total()
	if sum, _ := Between(base-1000*ms, base+20000*ms); n != 100 || sum != stood || sum < 100*40*time.Millisecond {
		t.Errorf("%d pauses of %v, %v between", n, stood, sum)
	}
}

// Only the latest are remembered, and asking for longer is cheap and wrong by no more.
func TestThePastIsForgotten(t *testing.T) {
	reset()
	base := clock.Now()
	for i := range int64(3 * remembered) {
		Note(base+i*100*ms, base+(i*100+50)*ms)
	}
	if got, _ := Between(base, base+1<<40); got != remembered*50*time.Millisecond {
		t.Errorf("%v is remembered", got)
	}
}

// The timer runs while calls are under way, and no longer.
func TestTheTimerEndsWithTheCalls(t *testing.T) {
	reset()
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			for range 100 {
				Begin(clock.Now()).End()
			}
		})
	}
	wg.Wait()
	w := Begin(clock.Now())
	if !armed.Load() {
		t.Fatal("a call is under way, and no timer")
	}
	w.End()
	for deadline := time.Now().Add(10 * time.Second); armed.Load(); {
		if time.Now().After(deadline) {
			t.Fatal("no call is under way, and the timer goes on")
		}
		<-time.After(time.Millisecond)
	}
	for i := range under {
		if n := under[i].n.Load(); n != 0 {
			t.Errorf("%d calls are left", n)
		}
	}
}

// In a bubble nothing is late, and what the process has seen outside is not there.
func TestABubbleKnowsNoPauses(t *testing.T) {
	reset()
	Note(clock.Now()-1000*ms, clock.Now())
	synctest.Test(t, func(t *testing.T) {
		start := clock.Now()
		w := Begin(start)
		time.Sleep(time.Hour)
		w.End()
		late := Note(start, clock.Now())
		if stood, _ := Between(start, clock.Now()); late || stood != 0 || Ran(start, clock.Now()) != time.Hour || w.shard != nil {
			t.Error("there is a pause in a bubble")
		}
	})
}

// A bubble whose clock was moved to today, or beyond, takes the process's late timer for none of
// its own, knows none of its pauses, and leaves none behind.
func TestABubbleOfTodayKnowsNoPauses(t *testing.T) {
	reset()
	w := Begin(clock.Now()) // the timer is armed
	defer w.End()
	now := clock.Now()
	Note(now-100*ms, now)
	for _, ahead := range []time.Duration{0, time.Hour} {
		today := time.Now().Add(ahead)
		synctest.Test(t, func(t *testing.T) {
			time.Sleep(time.Until(today))
			Look(clock.Now())
			stood, _ := Between(now-200*ms, clock.Now())
			_, within := Within(now - 50*ms)
			if stood != 0 || within || during(now-200*ms, time.Second, time.Second) != 0 {
				t.Errorf("a pause of %v in a bubble, within %v", stood, within)
			}
		})
	}
	if end, _ := Within(clock.Now() + int64(time.Minute)); end != 0 {
		t.Errorf("the process stands still for another %v", time.Duration(end-clock.Now()))
	}
}

// Without a pause the question costs next to nothing.
func TestAskingAllocatesNothing(t *testing.T) {
	reset()
	start := clock.Now()
	if n := testing.AllocsPerRun(100, func() {
		w := Begin(clock.Now())
		Between(start, clock.Now())
		w.End()
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestATimerOfALimitRunsOn(t *testing.T) {
	for name, c := range map[string]struct{ limit, from, to, least int64 }{
		"nothing":             {50, 0, 0, 50},
		"a part of it":        {100, 10, 50, 140},
		"all of it, and more": {30, 10, 120, 150},
	} {
		t.Run(name, func(t *testing.T) {
			reset()
			timer := Start(time.Duration(c.limit * ms))
			defer timer.Stop()
			start := clock.Now()
			if c.to > 0 {
				Note(start+c.from*ms, start+c.to*ms)
			}
			for <-timer.C; !timer.Over(); <-timer.C {
			}
			if took := (clock.Now() - start) / ms; took < c.least-1 {
				t.Errorf("over after %d ms, want %d", took, c.least)
			}
		})
	}
}

func TestAnExtensionIsBounded(t *testing.T) {
	reset()
	base := clock.Now()
	Note(base, base+45*ms)
	Note(base+46*ms, base+91*ms)
	Note(base+5000*ms, base+8000*ms)
	for _, c := range []struct{ began, limit, want int64 }{
		{0, 50, 50},                            // the limit itself
		{5000, 2000, 8000 - 5000 - 2000 + 100}, // Longest, and a look
		{0, 2000, 90},                          // not by a pause that begins when it is over
		{0, 30, 91 - 30 + 30},                  // the time that it got ended in another one
		{0, 4990, 8000 - 4990 + 100},           // it ends in a pause, since the others have extended it
		{4990, 30, 8000 - 4990 - 30 + 30},      // a look, of no more than the limit itself
		{4000, 1500, 8000 - 4000 - 1500 + 100},
		{8000, 50, 0},
	} {
		if got := Extension(base+c.began*ms, time.Duration(c.limit*ms)); got != time.Duration(c.want*ms) {
			t.Errorf("%v for %d ms from %d on, want %d ms", got, c.limit, c.began, c.want)
		}
	}
	if got := Extension(base, 1<<63-1); got != 0 {
		t.Errorf("%v for one that never ends", got)
	}
}
