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
	half   time.Duration
	epoch  int64
	mu     sync.Mutex // taken to turn a half over
	halves [2]half
	last   atomic.Pointer[reading]
}

type half struct {
	turn   atomic.Int64 // which half of all time it counts, from 1; 0: none yet
	counts [buckets]atomic.Uint32
}

type reading struct {
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
	if span <= 0 {
		span = time.Minute
	}
	return &Window{half: max(span/2, 1), epoch: clock.Now()}
}

// Observe counts d, seen at the time at, by clock.Now. It allocates nothing. A negative d
// counts as zero.
func (w *Window) Observe(at int64, d time.Duration) {
	turn := w.turn(at)
	h := &w.halves[turn&1]
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
	now := time.Duration(at - w.epoch)
	if r := w.last.Load(); r != nil && r.q == q && now < r.until {
		return r.d, r.n
	}
	d, n = w.read(w.turn(at), q)
	w.last.Store(&reading{q, now + w.half/fresh, d, n})
	return d, n
}

func (w *Window) turn(at int64) int64 {
	return int64(max(time.Duration(at-w.epoch), 0)/w.half) + 1
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

func (w *Window) read(turn int64, q float64) (time.Duration, int) {
	var counts [buckets]uint64
	var n uint64
	for i := range w.halves {
		h := &w.halves[i]
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
