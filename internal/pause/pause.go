// Package pause knows when this process did not run: it was stopped, its virtual
// machine stood still, its share of the CPU was used up, or the host had too much to
// do. What a server seems to have missed in such a time it may have done long ago; the
// answer waits in a socket that nobody has read.
//
// The evidence is a timer that runs late. While calls that can run out of time are
// under way one timer runs every 10 ms; it stops when there are none. The timers of
// limits and hedges report when they are late as well.
//
// In a bubble of testing/synctest no timer is ever late, and the clock is not that of
// the process, even where a test has moved it to today: there is nothing to know, and no
// timer is started.
package pause

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-go/holdfast/internal/clock"
)

// Late is how late a timer must run to show that the process did not. The scheduler of
// Go takes the processor from a goroutine after 10 ms; a timer that is twice as late as
// that has found no processor, or a process that stood still. A smaller bound would
// take an ordinary busy moment for a pause, a larger one would miss the throttling of a
// CPU quota, whose period is 100 ms.
const Late = 20 * time.Millisecond

// Longest bounds by how much a limit is extended for pauses.
const Longest = time.Second

// every is the period of the timer.
const every = 10 * time.Millisecond

// A span is a time during which the process did not run.
type span struct{ from, to int64 }

// remembered is how many pauses are known at once: at ten a second, as a CPU quota
// makes them, those of more than the last 25 s.
const remembered = 256

var (
	latest atomic.Int64 // the end of the last pause; most questions end here

	mu    sync.Mutex
	spans [remembered]span // a ring, in the order of time; they do not overlap
	next  int              // where the next one goes
	count uint64
	total time.Duration
)

// Note takes in that a timer which was due ran now, by package clock. It reports
// whether that was late.
func Note(due, now int64) (late bool) {
	if now-due < int64(Late) || clock.Bubble() {
		return false
	}
	mu.Lock()
	defer mu.Unlock()
	last := &spans[(next+remembered-1)%remembered]
	if last.to > 0 && due <= last.to { // the pause that is known already, seen by another timer
		before := spans[(next+remembered-2)%remembered].to
		wider := span{min(last.from, max(due, before)), max(last.to, now)}
		total += time.Duration(wider.to - wider.from - last.to + last.from)
		*last = wider
	} else {
		spans[next] = span{due, now}
		next = (next + 1) % remembered
		count++
		total += time.Duration(now - due)
	}
	if now > latest.Load() {
		latest.Store(now)
	}
	return true
}

// Between returns for how much of the time from one moment to another the process did
// not run, and how much of that was in one piece.
func Between(from, to int64) (stood, longest time.Duration) {
	if latest.Load() <= from || clock.Bubble() {
		return 0, 0
	}
	mu.Lock()
	defer mu.Unlock()
	for i := 1; i <= remembered; i++ {
		s := spans[(next+remembered-i)%remembered]
		if s.to <= from {
			break
		}
		piece := time.Duration(max(min(s.to, to)-max(s.from, from), 0))
		stood, longest = stood+piece, max(longest, piece)
	}
	return stood, longest
}

// during returns how long the pauses were that began while a limit counted, which each of them
// extends: most at most.
func during(began int64, limit, most time.Duration) (more time.Duration) {
	if latest.Load() <= began || clock.Bubble() {
		return 0
	}
	mu.Lock()
	defer mu.Unlock()
	back := 0 // how many spans ended since it began
	for back < remembered && spans[(next+remembered-back-1)%remembered].to > began {
		back++
	}
	for ; back > 0 && more < most; back-- {
		s := spans[(next+remembered-back)%remembered]
		if s.from >= began+int64(limit+more) {
			break
		}
		more += time.Duration(s.to - max(s.from, began))
	}
	return min(more, most)
}

// Within returns the end of the pause during which a moment was; ok is false where the
// process ran then, as far as is known.
func Within(at int64) (end int64, ok bool) {
	if latest.Load() < at || clock.Bubble() {
		return 0, false
	}
	mu.Lock()
	defer mu.Unlock()
	for i := 1; i <= remembered; i++ {
		s := spans[(next+remembered-i)%remembered]
		if s.to < at || s.to == 0 {
			break
		}
		if s.from <= at {
			return s.to, true
		}
	}
	return 0, false
}

// Ran returns for how long the process has run since then; it is now.
func Ran(from, now int64) time.Duration {
	Look(now)
	stood, _ := Between(from, now)
	return time.Duration(now-from) - stood
}

// Total returns how many pauses there were, and how long they were together.
func Total() (n uint64, stood time.Duration) {
	mu.Lock()
	defer mu.Unlock()
	return count, total
}
