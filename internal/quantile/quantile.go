// Package quantile keeps quantiles of recent durations, in little memory and
// at little cost: what a call usually takes.
package quantile

import (
	"math"
	"math/bits"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-go/holdfast/internal/clock"
)

// A Window counts durations in buckets that grow with what they hold, sixteen
// to each doubling (as HdrHistogram by Gil Tene does), so that a quantile is
// read within 3.2 % of the true one; within 32 ns below 1 µs, and 37 minutes
// stand for everything longer. It remembers in two halves: when the newer one
// is full, the older one is forgotten. It is safe for concurrent use.
type Window struct {
	mu   sync.Mutex // taken to turn a half over, and by Resize
	seen atomic.Pointer[seen]
	last atomic.Pointer[reading]
}

// A seen is what a Window of one span has seen.
type seen struct {
	half   time.Duration
	epoch  int64
	halves [2]half
}

type half struct {
	turn   atomic.Int64 // which half of all time it counts, from 1; 0: none yet
	counts [buckets]atomic.Uint32
}

type reading struct {
	of    *seen
	q     float64
	until time.Duration
	d     time.Duration
	n     int
}

const (
	buckets = 512
	unit    = 6  // bits of a nanosecond count that are dropped: the least step is 64 ns
	fine    = 16 // buckets to each doubling
	fresh   = 64 // a reading is kept for this part of a half
)

// Longest stands for everything that is as long, or longer.
var Longest = middle(buckets - 1)

// New returns a Window that looks back between half of span and span; zero or
// less means one minute.
func New(span time.Duration) *Window {
	w := new(Window)
	w.seen.Store(&seen{half: halfOf(span), epoch: clock.Now()})
	return w
}

func halfOf(span time.Duration) time.Duration {
	if span <= 0 {
		span = time.Minute
	}
	return max(span/2, 1)
}

// Resize has w look back over another span from now on, of a Window that others may be using. What
// it remembers stays, and is forgotten as the new span says.
func (w *Window) Resize(span time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	was, half := w.seen.Load(), halfOf(span)
	if was.half == half {
		return
	}
	now := clock.Now()
	into := min((now-was.epoch)%int64(was.half), int64(half)-1) // of the newer half: it ends as if it were of the new span
	is := &seen{half: half, epoch: now - int64(half) - into}    // so that now is in the second turn
	turn := was.turn(now)
	for i := range was.halves {
		h := &was.halves[i]
		at := 2 - (turn - h.turn.Load()) // the newer half becomes the newer one
		if h.turn.Load() == 0 || at < 1 || at > 2 {
			continue
		}
		to := &is.halves[at&1]
		to.turn.Store(at)
		for b := range h.counts {
			to.counts[b].Store(h.counts[b].Load()) // an Observe meanwhile may be lost, by a hair
		}
	}
	w.seen.Store(is)
}

// Observe counts d, seen at the time at, by clock.Now. It allocates nothing. A negative d
// counts as zero.
func (w *Window) Observe(at int64, d time.Duration) {
	s := w.seen.Load()
	turn := s.turn(at)
	h := &s.halves[turn&1]
	if was := h.turn.Load(); was != turn {
		if was > turn {
			return // it comes from before what is remembered
		}
		w.turnOver(h, turn)
	}
	h.counts[bucket(d)].Add(1)
}

// Quantile returns the duration that the part q of the durations do not
// exceed, and how many durations that says it of: none, and zero, for an empty
// Window. q below 0 counts as 0 and above 1 as 1.
//
// A reading is kept for a 128th of the span, so that asking before every call
// costs little. Only the reading of one q is kept.
func (w *Window) Quantile(at int64, q float64) (d time.Duration, n int) {
	s := w.seen.Load()
	now := time.Duration(at - s.epoch)
	if r := w.last.Load(); r != nil && r.of == s && r.q == q && now < r.until {
		return r.d, r.n
	}
	d, n = s.read(s.turn(at), q)
	w.last.Store(&reading{s, q, now + s.half/fresh, d, n})
	return d, n
}

func (s *seen) turn(at int64) int64 {
	return int64(max(time.Duration(at-s.epoch), 0)/s.half) + 1
}

func (w *Window) turnOver(h *half, turn int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if h.turn.Load() >= turn {
		return
	}
	for i := range h.counts {
		h.counts[i].Store(0)
	}
	h.turn.Store(turn) // an Observe meanwhile may count in the wrong half, by a hair
}

func (s *seen) read(turn int64, q float64) (time.Duration, int) {
	var counts [buckets]uint64
	var n uint64
	for i := range s.halves {
		h := &s.halves[i]
		if h.turn.Load() < turn-1 {
			continue // nothing came for so long that it was not turned over
		}
		for b := range h.counts {
			c := uint64(h.counts[b].Load())
			counts[b] += c
			n += c
		}
	}
	if n == 0 {
		return 0, 0
	}
	rank := uint64(math.Ceil(min(max(q, 0), 1) * float64(n)))
	rank = min(max(rank, 1), n) // of a q that is no number, too
	b := 0
	for sum := counts[0]; sum < rank; sum += counts[b] {
		b++
	}
	return middle(b), int(min(n, math.MaxInt))
}

// bucket returns the index of the bucket for d. The first 32 are one step wide,
// the next 16 two steps, then four, and so on.
func bucket(d time.Duration) int {
	v := uint64(max(d, 0)) >> unit
	e := max(bits.Len64(v)-5, 0)
	return min(e*fine+int(v>>e), buckets-1)
}

// middle returns the duration in the middle of a bucket.
func middle(b int) time.Duration {
	e := max(b/fine-1, 0)
	from := time.Duration(b-e*fine) << (e + unit)
	return from + time.Duration(1)<<(e+unit)/2
}
