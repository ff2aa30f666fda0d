package clock

import (
	"testing"
	"testing/synctest"
	"time"
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
