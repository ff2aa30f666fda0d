// Package clock tells the time as one number, which is how this module notes when
// something began.
package clock

import "time"

// epoch is a while before the process began, so that no time in it is 0 or below.
var epoch = time.Now().Add(-time.Minute)

// Now is a clock in nanoseconds that only goes forward, and costs half of time.Now. It is
// never 0. In a bubble of testing/synctest it is decades off, and negative.
func Now() int64 { return int64(time.Since(epoch)) }

// At is what Now was at the time t.
func At(t time.Time) int64 { return int64(t.Sub(epoch)) }

// Time is the time at which Now was n. It goes by the wall clock of today: that may have been
// set since the epoch, or gone on while this machine slept and Now stood still.
func Time(n int64) time.Time {
	now := time.Now()
	return now.Add(time.Duration(n - At(now)))
}
