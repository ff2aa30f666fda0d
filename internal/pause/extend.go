package pause

import (
	"math"
	"time"

	"github.com/holdfast-go/holdfast/internal/clock"
)

// After waking up a limit has wake to find an answer, and no more often than wakes.
const (
	wake  = 100 * time.Millisecond
	wakes = 3
)

// Extension is what a limit of ours that began at a time gets for the time during which this
// process did not run: what it waits for may be there already, and nobody has looked. It is
// no more than the limit itself, nor than Longest. A pause that began when the limit was over
// brings it back no more.
//
// Where even that time was while this process did not run, the limit ends a moment after
// it woke up, so that there is a look; that is granted a few times.
func Extension(began int64, limit time.Duration) time.Duration {
	if limit > math.MaxInt64/4 {
		return 0
	}
	more := during(began, limit, min(limit, Longest))
	if more == 0 {
		return 0
	}
	for range wakes {
		woke, ok := Within(began + int64(limit+more))
		if !ok {
			break
		}
		more = time.Duration(woke-began) - limit + min(limit, wake)
	}
	return more
}

// A Timer runs for a limit of ours, and longer where this process did not run meanwhile.
type Timer struct {
	C <-chan time.Time // Over is to be asked after each receipt

	timer      *time.Timer
	began, due int64
	limit      time.Duration
}

// Start starts one.
func Start(limit time.Duration) *Timer {
	limit = min(limit, math.MaxInt64/4) // of which twice can be added to any time
	timer, began := time.NewTimer(limit), clock.Now()
	return &Timer{timer.C, timer, began, began + int64(limit), limit}
}

// Over reports whether the time has run out. If not, C will tell again.
func (t *Timer) Over() bool {
	now := clock.Now()
	Note(t.due, now)
	Look(now)
	t.due = t.began + int64(t.limit+Extension(t.began, t.limit))
	if t.due <= now {
		return true
	}
	t.timer.Reset(time.Duration(t.due - now))
	return false
}

// Stop ends it.
func (t *Timer) Stop() { t.timer.Stop() }
