package retry

import (
	"math"
	"sync"
	"time"

	"github.com/holdfast-go/holdfast/internal/clock"
)

// buckets divide the window; slack forgives the rounding of sums of a fifth.
const (
	buckets = 10
	slack   = 1e-9
)

// An account is one target's. Its mutex is held for some ten instructions.
type account struct {
	mu       sync.Mutex
	tokens   float64
	width    time.Duration // of a bucket
	used     int64         // when it was last drawn from or paid into; looks and changes are no use
	bucket   int64         // the number of the newest bucket of all time
	at       int           // where it is in window
	window   [buckets]uint64
	inWindow uint64

	successes, withdrawn, refused, refunded uint64
}

// roll empties the buckets that have left the window. A clock that steps back a
// little stays in its bucket; one that jumps (a Budget taken into a bubble of
// testing/synctest, say) begins a new window.
func (a *account) roll() { a.turn(clock.Turn(clock.Now(), int64(a.width))) }

// use is roll for one who draws or pays in.
func (a *account) use() {
	a.used = clock.Now()
	a.roll()
}

func (a *account) turn(now int64) {
	n := now - a.bucket
	if n == 0 || n < 0 && n > -buckets {
		return
	}
	if n < 0 || n > buckets {
		n = buckets
	}
	for ; n > 0; n-- {
		a.at = (a.at + 1) % buckets
		a.inWindow -= a.window[a.at]
		a.window[a.at] = 0
	}
	a.bucket = now
}

// follow has the account be as b says. What successes have paid in stays, as far as the window
// reaches now; tokens are bounded when they are next asked for.
func (a *account) follow(b *Budget) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.width != b.width {
		a.roll()
		a.divide(b.width, clock.Now())
	}
}

// moved begins with what late targets have shared: one of them gets an account of its own, and no
// more tokens for that.
func (a *account) moved(shared *account) {
	shared.mu.Lock()
	defer shared.mu.Unlock()
	a.tokens = min(a.tokens, shared.tokens)
}

// divide counts by buckets of another width: what successes have paid in stays, as far as the
// window reaches now.
func (a *account) divide(width time.Duration, now int64) {
	newest, step, at, window := a.bucket, int64(a.width), a.at, a.window
	a.width, a.bucket, a.at = width, clock.Turn(now, int64(width)), 0
	a.window, a.inWindow = [buckets]uint64{}, 0
	for i := range buckets { // the i-th before the newest
		middle := (newest-int64(i))*step + step/2 // its beginning would make all older with each change
		if back := max(a.bucket-clock.Turn(middle, int64(width)), 0); back < buckets {
			n := window[(at-i+buckets)%buckets]
			a.window[(buckets-int(back))%buckets] += n
			a.inWindow += n
		}
	}
}

// most is how many tokens b lets the account have, by the window as it was last rolled.
func (a *account) most(b *Budget) float64 { return max(b.floor, b.ratio*float64(a.inWindow)) }

// withdraw takes a token for b, if there is one.
func (a *account) withdraw(b *Budget) (granted bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.use()
	if !b.unlimited {
		a.tokens = min(a.tokens, a.most(b.s.last.Load()))
		if min(a.tokens, a.most(b)) < 1-slack {
			a.refused++
			return false
		}
		a.tokens = max(a.tokens-1, 0)
	}
	a.withdrawn++
	return true
}

// refund puts a token back.
func (a *account) refund(b *Budget) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.used = clock.Now()
	a.refunded++
	if !b.unlimited { // which takes none
		a.tokens++ // bounded when it is next looked at
	}
}

// owed reports whether more was taken than came back.
func (a *account) owed() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.withdrawn > a.refunded
}

// idle reports whether the account may be forgotten: it is as good as new, or of
// a target that is called no more.
func (a *account) idle(latest *Budget) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := clock.Now()
	if a.used = min(a.used, now); now-a.used > 10*buckets*int64(a.width) { // the clock may have jumped back
		return true
	}
	a.roll()
	return a.most(latest) <= latest.floor && a.tokens >= latest.floor-slack
}

// stats changes nothing but what time has changed.
func (a *account) stats(b *Budget) BudgetStats {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.roll()
	tokens := min(a.tokens, a.most(b), a.most(b.s.last.Load()))
	if b.unlimited {
		tokens = math.Inf(1)
	}
	return BudgetStats{tokens, a.successes, a.withdrawn, a.refused, a.refunded}
}
