package limit

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-go/holdfast/internal/keyed"
)

// shared is what Rates share that With has made of each other. Locks are taken in this order: of
// shared, of the table, of a bucket, and of one into which waiters of that move.
type shared struct {
	mu      sync.Mutex                  // of set: what is in force is of one of them, and not of several
	latest  atomic.Pointer[RateOptions] // of the latest of them, which all go by
	all     *bucket                     // without PerTarget
	buckets keyed.Table[*bucket]
	came    atomic.Uint64 // how many have waited
}

func newRates(o *RateOptions) *shared {
	s := new(shared)
	s.latest.Store(o)
	s.all = newBucket(s, "")
	s.buckets.New = func(target string) *bucket { return newBucket(s, target) }
	s.buckets.Shared = func() *bucket {
		b := newBucket(s, "")
		b.waits = make(map[string]int)
		return b
	}
	s.buckets.Moved = (*bucket).begin
	s.buckets.Idle = (*bucket).idle
	s.set(o)
	return s
}

// hold returns the bucket of target, and its entry, which the table keeps until it is released; nil:
// it is in none. late is other than 0 where that is to be told of a target that has none of its own.
func (s *shared) hold(target string) (b *bucket, e *keyed.Entry[*bucket], late uint64) {
	if !s.latest.Load().PerTarget {
		return s.all, nil, 0
	}
	e, late = s.buckets.Hold(target)
	return e.Value, e, late
}

// set gives the buckets another rate, those that are yet to come too, and has each wait where it
// belongs by now.
func (s *shared) set(o *RateOptions) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.latest.Store(o)
	s.buckets.Resize(o.MaxTargets)
	for _, t := range s.waiting() {
		s.move(t)
	}
	s.all.set(o)
	s.buckets.Each(func(_ string, b *bucket) bool { b.set(o); return true })
}

// waiting returns those who wait where they may not any more, in the order in which they came.
func (s *shared) waiting() (turns []*turn) {
	add := func(_ string, b *bucket) bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		for e := b.queue.Front(); e != nil && (b.waits != nil || s.stale(b)); e = e.Next() {
			turns = append(turns, e.Value.(*turn)) //nolint:errcheck // there is nothing else in it
		}
		return true
	}
	add("", s.all)
	s.buckets.Each(add)
	slices.SortFunc(turns, func(a, b *turn) int { return cmp.Compare(a.came, b.came) })
	return turns
}

// stale reports whether calls that begin go elsewhere, since PerTarget has changed.
func (s *shared) stale(b *bucket) bool { return (b == s.all) == s.latest.Load().PerTarget }

// look is for one that has just begun to wait, and may have been overtaken by a change.
func (s *shared) look(t *turn) {
	if !s.stale(t.bucket.Load()) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.move(t)
	b := t.bucket.Load()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.refuse(time.Now())
}

// move has one that waits do so where it belongs.
func (s *shared) move(t *turn) {
	if !s.latest.Load().PerTarget {
		s.all.take(t)
		return
	}
	e := s.buckets.HoldAgain(t.target, "")
	e.Value.take(t)
	e.Release()
}

// take has one wait for a token of b that waits elsewhere.
func (b *bucket) take(t *turn) {
	from := t.bucket.Load() // with the lock of shared nobody else moves it, but for begin
	if from == b {
		return
	}
	from.mu.Lock()
	defer from.mu.Unlock()
	if t.bucket.Load() != from || t.at == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	from.pull(t, now)
	b.push(t, now)
}

// begin is for the bucket of a target that may have had its tokens from what late targets share: it
// has as many as that, and no Burst once more. Those who wait there for the same target come over.
// Nobody waits there any more whose target has a bucket of its own, and nobody for longer than before.
func (b *bucket) begin(shared *bucket) {
	shared.mu.Lock()
	defer shared.mu.Unlock()
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	shared.serve(now)
	level := shared.tokens.TokensAt(now)
	if shared.queue.Len() > 0 {
		level++ // the one that is reserved
	}
	b.begins(max(level, 0), now)
	if shared.waits[b.target] == 0 {
		return
	}
	for e := shared.queue.Front(); e != nil; {
		t := e.Value.(*turn) //nolint:errcheck // there is nothing else in it
		if e = e.Next(); t.target == b.target {
			shared.pull(t, now)
			b.push(t, now)
		}
	}
}

// settle gives the target of the first that waits in what late targets share a bucket of its own, if
// there is room by now.
func (b *bucket) settle() {
	b.mu.Lock()
	first := b.queue.Front()
	b.mu.Unlock()
	if first != nil {
		b.s.buckets.HoldAgain(first.Value.(*turn).target, "").Release() //nolint:errcheck // there is nothing else in it
	}
}
