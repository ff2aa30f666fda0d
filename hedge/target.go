package hedge

import (
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/quantile"
	"github.com/holdfast-go/holdfast/internal/rpccode"
)

// A target is what is known of the calls to one.
type target struct {
	times *quantile.Window
	share share

	calls, hedges, won, denied atomic.Uint64
}

// longest stands for "longer than could be seen" in the times.
const longest = time.Duration(math.MaxInt64)

// observe takes in what a first attempt took. A success is a sample. So is one
// that ran into a time limit, or that a hedge has beaten, but not its time, which
// was cut off: it is known to be long, and counts as longer than all others. Left
// out, the slow calls would vanish from the times, the delay would shrink, and
// ever more calls be hedged. At most Share of the calls are cut off by us, so that
// the Quantile of the others stays in sight. Failures say nothing: most are fast.
func (t *target) observe(at int64, took time.Duration, res holdfast.Result, beaten bool) {
	switch {
	case beaten || rpccode.OutOfTime(res.Code):
		if beaten || res.Class.Server() == holdfast.Unhealthy {
			t.times.Observe(at, longest)
		}
	case res.Class.Sample():
		t.times.Observe(at, took)
	}
}

// delay returns how long to wait for a first attempt; false: it is not known.
func (t *target) delay(o *Options, now int64) (time.Duration, bool) {
	d := o.Delay
	if d == 0 {
		var n int
		if d, n = t.times.Quantile(now, o.Quantile); n < o.MinSamples {
			return 0, false
		}
	}
	return max(d, o.MinDelay, 0), true
}

// known is the delay as those are told who ask; 0: too little is known, or it is longer than could
// be seen, so that nothing is hedged.
func (t *target) known(o *Options, now int64) time.Duration {
	d, ok := t.delay(o, now)
	if !ok || o.Delay == 0 && d >= quantile.Longest {
		return 0
	}
	return d
}

// A share holds the hedges to a part of the calls of the last ten seconds.
type share struct {
	mu      sync.Mutex
	at      int64
	buckets [shareBuckets]struct{ calls, hedges float64 }
	calls   float64
	hedges  float64
}

const (
	shareBuckets = 20
	shareWidth   = 10 * time.Second / shareBuckets
)

func (s *share) roll(now int64) *struct{ calls, hedges float64 } {
	at := now / int64(shareWidth)
	for n := min(max(at-s.at, 0), shareBuckets); n > 0; n-- {
		b := &s.buckets[((at-n+1)%shareBuckets+shareBuckets)%shareBuckets]
		s.calls -= b.calls
		s.hedges -= b.hedges
		b.calls, b.hedges = 0, 0
	}
	if at > s.at || s.at-at > shareBuckets {
		s.at = at
	}
	return &s.buckets[(s.at%shareBuckets+shareBuckets)%shareBuckets]
}

func (s *share) call(now int64) {
	s.mu.Lock()
	s.roll(now).calls++
	s.calls++
	s.mu.Unlock()
}

// take asks for one hedge. It returns in which bucket it counts.
func (s *share) take(part float64, now int64) (at int64, ok bool) {
	if part < 0 {
		return 0, true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.roll(now)
	if s.hedges+1 > part*s.calls {
		return 0, false
	}
	b.hedges++
	s.hedges++
	return s.at, true
}

// giveBack gives back what take has granted for a hedge that was not sent.
func (s *share) giveBack(part float64, at, now int64) {
	if part < 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.roll(now)
	b := &s.buckets[(at%shareBuckets+shareBuckets)%shareBuckets]
	if back := s.at - at; back >= 0 && back < shareBuckets && b.hedges > 0 { // else it is forgotten
		b.hedges--
		s.hedges--
	}
}
