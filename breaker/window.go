package breaker

import (
	"math/rand/v2"
	"sync"
	"time"

	"github.com/holdfast-go/holdfast/internal/clock"
)

const (
	buckets = 10
	shards  = 8 // a call writes to one of them, drawn at random: calls at once rarely meet
)

// A window counts the calls of the last while. What is too old is left out when
// it is read.
type window struct {
	shards [shards]shard
}

type shard struct {
	mu      sync.Mutex
	buckets [buckets]bucket
}

type bucket struct {
	turn int64 // the number of its stretch of time, of all time
	counts
}

type counts struct{ calls, failures, slow int64 }

func (w *window) add(turn int64, c counts) {
	s := &w.shards[rand.Uint32()%shards]
	s.mu.Lock()
	b := &s.buckets[(turn%buckets+buckets)%buckets]
	if b.turn != turn {
		*b = bucket{turn: turn}
	}
	b.calls += c.calls
	b.failures += c.failures
	b.slow += c.slow
	s.mu.Unlock()
}

func (w *window) sum(turn int64) (c counts) {
	for i := range w.shards {
		s := &w.shards[i]
		s.mu.Lock()
		for _, b := range s.buckets {
			if b.turn > turn-buckets && b.turn <= turn {
				c.calls += b.calls
				c.failures += b.failures
				c.slow += b.slow
			}
		}
		s.mu.Unlock()
	}
	c.failures = min(c.failures, c.calls) // a body may break off when its call has left the window
	return c
}

func (w *window) clear() {
	for i := range w.shards {
		s := &w.shards[i]
		s.mu.Lock()
		s.buckets = [buckets]bucket{}
		s.mu.Unlock()
	}
}

// turn numbers the stretches of time that a bucket counts. It can be negative:
// that of a bubble of testing/synctest is.
func turn(at time.Time, window time.Duration) int64 {
	return clock.At(at) / int64(max(window/buckets, 1))
}
