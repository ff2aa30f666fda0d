// Package clock tells the time as one number, which is how this module notes when
// something began.
package clock

import (
	"sync/atomic"
	"time"
)

// epoch is a while before the process began, so that no time in it is 0 or below.
var epoch = time.Now().Add(-time.Minute)

// Now is a clock in nanoseconds that only goes forward, and costs half of time.Now. It is
// never 0. In a bubble of testing/synctest it is decades off, and negative.
func Now() int64 { return int64(time.Since(epoch)) }

// Turn is the number of the stretch of time in which at is, each as long as width: rounded down,
// also where at is negative, as in a bubble.
func Turn(at, width int64) int64 {
	turn := at / width
	if turn*width > at {
		turn--
	}
	return turn
}

// At is what Now was at the time t.
func At(t time.Time) int64 { return int64(t.Sub(epoch)) }

// InBubble reports whether a time is that of a bubble: the process has not run for years.
func InBubble(now int64) bool { return uint64(now) > 1<<57 }

// Bubble reports whether this goroutine is in a bubble, also in one whose clock was moved to
// today: a time of a bubble has no monotonic reading. It costs a look at the clock.
func Bubble() bool {
	now := time.Now()
	return now == now.Round(0) //nolint:staticcheck // Equal does not look at that reading
}

// wall is a time at which the wall clock was looked at.
var wall atomic.Pointer[time.Time]

// Time is the time at which Now was n. It goes by the wall clock of today, as it was looked at
// last: that may have been set since the epoch, or gone on while this machine slept and Now
// stood still.
func Time(n int64) time.Time {
	looked := wall.Load()
	if looked == nil || InBubble(n) {
		now := time.Now()
		looked = &now
	}
	return looked.Add(time.Duration(n - At(*looked)))
}

// LookAtWall takes in that the wall clock was set. Whoever has Times made calls it every now and
// then: to look at that clock each time would double what they cost.
func LookAtWall() {
	now := time.Now()
	if looked := wall.Load(); looked == nil || looked.Add(now.Sub(*looked)).Round(0).Sub(now.Round(0)).Abs() > time.Millisecond {
		wall.Store(&now)
	}
}
