package clock

import (
	"testing"
	"testing/synctest"
	"time"
	"unsafe"
)

func TestTheClockIsThatOfTimeNow(t *testing.T) {
	if was, now := Now(), Now(); was <= 0 || now < was {
		t.Errorf("%d, then %d", was, now)
	}
	if At(time.Now()) > Now() || Time(Now()).After(time.Now()) {
		t.Error("the two clocks differ")
	}
	n := Now()
	if wall := Time(n); At(wall) != n || time.Since(wall) > time.Minute {
		t.Errorf("%d was at %v, which was %d", n, wall, At(wall))
	}
}

func TestTheClockOfABubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := Now()
		time.Sleep(time.Hour)
		if start >= 0 || Now()-start != int64(time.Hour) {
			t.Errorf("%d, and an hour later %d", start, Now())
		}
		if At(time.Now()) != Now() {
			t.Errorf("%d is not %d", At(time.Now()), Now())
		}
		// The wall clock of a bubble is another than that of the epoch.
		if wall := time.Now().Round(0); !Time(Now()).Round(0).Equal(wall) {
			t.Errorf("%v is not %v", Time(Now()), wall)
		}
	})
}

func TestTheClockAllocatesNothing(t *testing.T) {
	var sink int64
	if n := testing.AllocsPerRun(100, func() { sink += Now() }); n != 0 || sink == 0 {
		t.Errorf("%v allocations", n)
	}
}

// A time is one of both clocks, whether or not the wall clock was looked at already.
func TestATimeIsRightByBothClocks(t *testing.T) {
	for range 2 {
		now := time.Now()
		if got := Time(At(now)); !got.Equal(now) || got.Round(0).Sub(now.Round(0)).Abs() > time.Second {
			t.Errorf("%v is not %v", got, now)
		}
		if wall.Load() == nil {
			LookAtWall()
		}
	}
	before := wall.Load()
	if LookAtWall(); wall.Load() != before {
		t.Error("it was looked at anew, and was not set")
	}
}

// A bubble knows that it is one, also when it has slept for longer than any process runs.
func TestABubbleIsToldFromTheProcess(t *testing.T) {
	if InBubble(Now()) || InBubble(Now()+int64(365*24*time.Hour)) {
		t.Error("this is none")
	}
	synctest.Test(t, func(t *testing.T) {
		for range 2 {
			if !InBubble(Now()) {
				t.Errorf("%v is in none", time.Now())
			}
			time.Sleep(60 * 365 * 24 * time.Hour)
		}
	})
}

// The wall clock was set since it was looked at: times go by what it was then, until it is looked
// at again.
func TestTheWallClockIsLookedAtAgainWhenItWasSet(t *testing.T) {
	LookAtWall()
	looked := *wall.Load()
	defer func() { wall.Store(&looked) }()
	for _, by := range []time.Duration{time.Hour, -time.Hour, 2 * time.Millisecond} {
		before := setBack(t, time.Now(), by)
		wall.Store(&before)
		if off := Time(Now()).Round(0).Sub(time.Now().Round(0)); (off - by).Abs() > by.Abs()/2 {
			t.Errorf("it is %v off, want %v", off, by)
		}
		if LookAtWall(); wall.Load() == &before {
			t.Errorf("set back by %v, and not looked at", by)
		}
		if off := Time(Now()).Round(0).Sub(time.Now().Round(0)); off.Abs() > time.Second {
			t.Errorf("it is %v off", off)
		}
	}
}

// setBack is a time as it was noted before the wall clock was set back by d: package time has no way
// to make one.
func setBack(t *testing.T, at time.Time, d time.Duration) time.Time {
	(*[2]int64)(unsafe.Pointer(&at))[1] -= int64(d) // the monotonic reading
	if got := time.Until(at) + d; got.Abs() > time.Minute {
		t.Fatal("package time keeps a time in another way now: setBack must follow")
	}
	return at
}
