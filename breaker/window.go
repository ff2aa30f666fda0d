package breaker

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
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
	width  *atomic.Int64 // of a bucket, for all circuits; With changes it
	shards [shards]shard
}

type shard struct {
	mu      sync.Mutex
	width   int64 // by which the buckets are numbered
	buckets [buckets]bucket
}

type bucket struct {
	turn int64 // the number of its stretch of time, of all time
	counts
}

type counts struct{ calls, failures, slow int64 }

// length is how far back calls count.
func (w *window) length() time.Duration { return time.Duration(w.width.Load() * buckets) }

// follow has what was counted go by a width that has changed. It is done at once and not at the next
// look, so that it makes no difference whether somebody looks before the next change.
func (w *window) follow(at time.Time) {
	for i := range w.shards {
		s := &w.shards[i]
		s.mu.Lock()
		s.turn(at, w.width.Load())
		s.mu.Unlock()
	}
}

func (w *window) add(at time.Time, c counts) {
	s := &w.shards[rand.Uint32()%shards]
	s.mu.Lock()
	turn := s.turn(at, w.width.Load())
	b := &s.buckets[(turn%buckets+buckets)%buckets]
	if b.turn != turn {
		*b = bucket{turn: turn}
	}
	b.plus(c)
	s.mu.Unlock()
}

func (c *counts) plus(more counts) {
	c.calls += more.calls
	c.failures += more.failures
	c.slow += more.slow
}

func (w *window) sum(at time.Time) (c counts) {
	for i := range w.shards {
		s := &w.shards[i]
		s.mu.Lock()
		turn := s.turn(at, w.width.Load())
		for _, b := range s.buckets {
			if b.turn > turn-buckets && b.turn <= turn {
				c.plus(b.counts)
			}
		}
		s.mu.Unlock()
	}
	c.failures = min(c.failures, c.calls) // a body may break off when its call has left the window
	return c
}

// turn numbers the stretches of time that a bucket counts, each as long as width. It can
// be negative: that of a bubble of testing/synctest is. The lock is held.
func (s *shard) turn(at time.Time, width int64) int64 {
	now := clock.Turn(clock.At(at), width)
	if s.width != width {
		s.divide(width, now)
	}
	return now
}

// divide numbers by another width what was counted, going by the middle of each bucket: its
// beginning would make all older with each change. Of what meets in a bucket and is not of one
// time the newer stays.
func (s *shard) divide(width, now int64) {
	was, step := s.buckets, s.width
	s.width, s.buckets = width, [buckets]bucket{}
	for _, b := range was {
		if b.counts == (counts{}) {
			continue
		}
		turn := min(clock.Turn(b.turn*step+step/2, width), now)
		to := &s.buckets[(turn%buckets+buckets)%buckets]
		switch {
		case to.counts == (counts{}) || to.turn < turn:
			*to = bucket{turn, b.counts}
		case to.turn == turn:
			to.plus(b.counts)
		}
	}
}

func (w *window) clear() {
	for i := range w.shards {
		s := &w.shards[i]
		s.mu.Lock()
		s.buckets = [buckets]bucket{}
		s.mu.Unlock()
	}
}
