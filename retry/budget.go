package retry

import (
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-go/holdfast/internal/clock"
	"github.com/holdfast-go/holdfast/internal/keyed"
	"github.com/holdfast-go/holdfast/internal/option"
)

// BudgetOptions set up a Budget. The zero value is the default of every field.
type BudgetOptions struct {
	// Ratio is what a success pays in, in repeats: 0 means 0.2, so that in the
	// long run one call in five is repeated; negative: successes pay nothing in,
	// and only Min is ever spent. At most 10.
	Ratio float64
	// Min is how many repeats a target may have with no success behind them:
	// 0 means 5; negative: none. At most 1,000,000.
	Min int
	// Window bounds the savings: a target holds no more than Ratio times its
	// successes of the last Window, or Min where that is more. 0 and
	// negative mean 10 s; at most an hour.
	Window time.Duration
	// Unlimited makes a Budget that refuses nothing and only counts. Repeats
	// without a bound have made many a short outage a long one.
	Unlimited bool
	// MaxTargets is how many targets have an account of their own: 0 and negative
	// mean 1024. Past it, one that nobody used lately and that is as good as
	// new, or that nobody used for ten windows, makes room for another; targets
	// that find none share one account, which figures call "other".
	MaxTargets int
}

// A Budget bounds the repeats of calls, for each target alone, so that a server
// in trouble is not pushed under by its own clients. Successes pay in, repeats
// draw, and time alone brings nothing back: in an outage, when there are no
// successes, a client repeats a handful of calls and then none, however many
// clients there are. One Budget may serve several policies and be shared with
// hedging. It is safe for concurrent use. One that NewBudget has not made, nil
// too, grants nothing.
//
// The rule: a target's tokens are at most cap = max(Min, Ratio × successes in
// the last Window); a success adds Ratio; a repeat needs, and takes, one whole
// token. It is the retry quota of the AWS SDKs and gRPC's retryThrottling
// (gRFC A6) with a cap that follows the traffic.
type Budget struct {
	ratio     float64
	floor     float64
	width     time.Duration // of one bucket of the window
	unlimited bool
	targets   int
	s         *savings
}

// savings are what Budgets share that With has made of each other.
type savings struct {
	accounts keyed.Table[*account]
	last     atomic.Pointer[Budget] // the latest of them: whose Min new accounts get, and whose Window all have
}

// latest has the accounts follow what Budgets that share them cannot have each for itself.
func (s *savings) latest(b *Budget) {
	s.last.Store(b)
	s.accounts.Resize(b.targets)
}

// NewBudget makes a Budget.
func NewBudget(o BudgetOptions) *Budget {
	b := &Budget{s: new(savings)}
	b.fill(o)
	s := b.s
	s.latest(b)
	s.accounts.New = func(string) *account { return &account{tokens: s.last.Load().floor} }
	s.accounts.Shared = func() *account { return s.accounts.New("") }
	s.accounts.Idle = func(a *account) bool { return a.idle(s.last.Load()) }
	return b
}

// With returns a Budget with other options and the tokens of b, which both share
// from then on. Window and MaxTargets hold for b as well. Where Min is raised, a
// target has the more only once its successes have paid for it.
func (b *Budget) With(o BudgetOptions) *Budget {
	if !b.made() {
		return NewBudget(o)
	}
	with := &Budget{s: b.s}
	with.fill(o)
	b.s.latest(with)
	return with
}

// Options returns the options in force, with the defaults filled in.
func (b *Budget) Options() BudgetOptions {
	if !b.made() {
		return BudgetOptions{}
	}
	return BudgetOptions{
		Ratio: option.OrOff(b.ratio), Min: option.OrOff(int(b.floor)), Window: b.width * buckets, Unlimited: b.unlimited, MaxTargets: b.targets,
	}
}

// fill gives the options their meaning.
func (b *Budget) fill(o BudgetOptions) {
	b.unlimited, b.targets = o.Unlimited, option.Of(o.MaxTargets, 1024, 1024)
	b.ratio = min(option.Of(o.Ratio, 0.2, 0), 10)
	b.floor = float64(min(option.Of(o.Min, 5, 0), 1_000_000))
	b.width = max(min(option.Of(o.Window, 10*time.Second, 10*time.Second), time.Hour)/buckets, 1)
}

// made reports whether NewBudget made b.
func (b *Budget) made() bool { return b != nil && b.width > 0 }

// Withdraw asks for one repeat of a call to target, and reports whether it is
// granted.
func (b *Budget) Withdraw(target string) bool {
	if !b.made() {
		return false
	}
	a := b.s.accounts.Get(target)
	a.mu.Lock()
	defer a.mu.Unlock()
	if !b.unlimited {
		a.tokens = min(a.tokens, a.cap(b))
		if a.tokens < 1-slack {
			a.refused++
			return false
		}
		a.tokens = max(a.tokens-1, 0)
	}
	a.withdrawn++
	return true
}

// Refund gives back what Withdraw took for a repeat that was never sent.
func (b *Budget) Refund(target string) {
	if !b.made() {
		return
	}
	a := b.s.accounts.Get(target)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.refunded++
	if !b.unlimited { // which takes none
		a.tokens++ // bounded when it is next looked at
	}
}

// Deposit pays in for one call to target that succeeded.
func (b *Budget) Deposit(target string) {
	if !b.made() {
		return
	}
	a := b.s.accounts.Get(target)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.successes++
	a.roll(b)
	a.window[a.at]++
	a.inWindow++
	a.tokens = min(a.tokens+b.ratio, max(b.floor, b.ratio*float64(a.inWindow)))
}

// BudgetStats are the figures of one target. The counts only grow.
type BudgetStats struct {
	Tokens    float64 // repeats that would be granted now, in whole and parts; +Inf where Unlimited
	Successes uint64  // calls that paid in
	Withdrawn uint64  // repeats granted
	Refused   uint64  // repeats refused
	Refunded  uint64  // repeats granted and never sent
}

// Stats returns the figures of target, or of the account that it shares. Asking makes
// no account: a target never called has the figures of a new one.
func (b *Budget) Stats(target string) BudgetStats {
	if !b.made() {
		return BudgetStats{}
	}
	stats := BudgetStats{Tokens: b.floor}
	if b.unlimited {
		stats.Tokens = math.Inf(1)
	}
	if a, ok := b.s.accounts.Find(target); ok {
		return a.stats(b)
	}
	return stats
}

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
	bucket   int64         // the number of the newest bucket of all time
	at       int           // where it is in window
	window   [buckets]uint64
	inWindow uint64

	successes, withdrawn, refused, refunded uint64
}

// roll empties the buckets that have left the window. A clock that steps back a
// little stays in its bucket; one that jumps (a Budget taken into a bubble of
// testing/synctest, say) begins a new window.
func (a *account) roll(b *Budget) {
	width := b.s.last.Load().width
	if a.width == 0 { // it is new
		a.width = width
	}
	now := clock.Now()
	a.turn(clock.Turn(now, int64(a.width)))
	if a.width != width {
		a.divide(width, now)
	}
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

func (a *account) cap(b *Budget) float64 {
	a.roll(b)
	return max(b.floor, b.ratio*float64(a.inWindow))
}

// idle reports whether the account may be forgotten: it is as good as new, or of
// a target that is called no more.
func (a *account) idle(b *Budget) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.width > 0 && clock.Turn(clock.Now(), int64(a.width))-a.bucket > 10*buckets {
		return true
	}
	return a.cap(b) <= b.floor && a.tokens >= b.floor-slack
}

func (a *account) stats(b *Budget) BudgetStats {
	a.mu.Lock()
	defer a.mu.Unlock()
	tokens := min(a.tokens, a.cap(b))
	if b.unlimited {
		tokens = math.Inf(1)
	}
	return BudgetStats{tokens, a.successes, a.withdrawn, a.refused, a.refunded}
}
