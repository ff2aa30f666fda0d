package limit

import (
	"container/list"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

// A bucket has the tokens of one target, and the calls that wait for them in turn. Only the first
// of those has its token reserved, so that whoever leaves the queue leaves nothing behind: a
// reservation that others have built upon could not be taken back.
type bucket struct {
	tokens   *rate.Limiter
	waiting  atomic.Int64 // the length of the queue: who comes while some wait waits as well
	rejected atomic.Uint64

	s      *shared
	target string         // whose alone it is; "" where it is of several
	waits  map[string]int // of what late targets share: how many wait for each; else nil

	mu    sync.Mutex
	queue list.List   // of *turn, in the order in which they came
	next  time.Time   // when the token of the first of them is there
	timer *time.Timer // runs until then; nil: nobody waits
}

func newBucket(s *shared, target string) *bucket {
	o := s.latest.Load()
	return &bucket{s: s, target: target, tokens: rate.NewLimiter(o.limit(), o.Burst)}
}

func (o RateOptions) limit() rate.Limit {
	if o.PerSecond < 0 {
		return rate.Inf
	}
	return rate.Limit(o.PerSecond)
}

// allow takes a token that is there and that nobody waits for.
func (b *bucket) allow() bool { return b.waiting.Load() == 0 && b.tokens.Allow() }

func (b *bucket) ready() bool {
	return b.tokens.Limit() == rate.Inf || b.waiting.Load() == 0 && b.tokens.Tokens() >= 1
}

// idle reports whether the bucket is as good as a new one.
func (b *bucket) idle() bool {
	return b.waiting.Load() == 0 && (b.tokens.Limit() == rate.Inf || b.tokens.Tokens() >= float64(b.tokens.Burst()))
}

// wait is how long it takes until there are so many tokens, beside the one that the first in the
// queue has taken in advance; and by which rate.
func (b *bucket) wait(tokens int, now time.Time) (time.Duration, rate.Limit) {
	limit := b.tokens.Limit()
	if limit == rate.Inf {
		return 0, limit
	}
	short := float64(tokens) - b.tokens.TokensAt(now)
	wait := math.Round(short / float64(limit) * float64(time.Second))
	if wait >= float64(rate.InfDuration) {
		return rate.InfDuration, limit
	}
	return max(time.Duration(wait), 0), limit
}

// set changes the rate. Whoever waits keeps its place, and gets its turn by the new one.
func (b *bucket) set(o *RateOptions) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	b.serve(now)
	was, full := b.tokens.Limit(), b.tokens.TokensAt(now) >= float64(b.tokens.Burst())-1e-6 // of which sums of fractions are off
	if was != o.limit() {
		b.tokens.SetLimitAt(now, o.limit())
	}
	if b.tokens.Burst() != o.Burst {
		b.tokens.SetBurstAt(now, o.Burst)
	}
	if was == rate.Inf || full { // it is as good as a new one, and might have been forgotten
		b.tokens.ReserveN(now, -o.Burst)
	}
	if b.queue.Len() == 0 {
		return
	}
	b.giveBack(now)
	b.reserve(now)
	if b.serve(now); b.queue.Len() == 0 {
		return
	}
	b.refuse(now)
}

// refuse rejects those who would wait for too long. The lock is held.
func (b *bucket) refuse(now time.Time) {
	if b.queue.Len() == 0 {
		return
	}
	before := 0
	for e := b.queue.Front(); e != nil; {
		t := e.Value.(*turn) //nolint:errcheck // there is nothing else in it
		e = e.Next()
		wait, limit := b.wait(before, now)
		if t.no = (refusal{t.short(now, wait), wait, limit}); t.no.reason == "" {
			before++
		} else {
			b.end(t)
		}
	}
	b.emptied(now)
	b.rewind(now)
}

// emptied gives back the token that is reserved for the first in a queue in which nobody is left.
func (b *bucket) emptied(now time.Time) {
	if b.queue.Len() == 0 {
		b.giveBack(now)
	}
}

// begins has a new bucket have that many tokens.
func (b *bucket) begins(level float64, now time.Time) {
	took := min(level/float64(b.tokens.Limit())*float64(time.Second), float64(rate.InfDuration/2))
	b.tokens.ReserveN(now.Add(-time.Duration(took)), b.tokens.Burst()) // it was empty then
}
