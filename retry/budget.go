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
	// that find none share one account, which figures call "other", and go on with
	// what it has when they get one of their own. Metrics count them, and an event
	// ("table_full", of holdfast.Event) tells of them.
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
	shared   atomic.Pointer[account] // of late targets; nil: there was none yet
	last     atomic.Pointer[Budget]  // the latest of them: whose Min new accounts get, and whose Window and bounds all have
	with     sync.Mutex              // held while accounts follow another one
}

// latest has the accounts follow what Budgets that share them cannot have each for itself. It does
// so at once, and not when an account is next looked at: reading figures between two changes would
// then make a difference.
func (s *savings) latest(b *Budget) {
	s.with.Lock()
	defer s.with.Unlock()
	s.last.Store(b) // before the accounts that there are: others are made by it
	s.accounts.Resize(b.targets)
	s.accounts.Each(func(_ string, a *account) bool { a.follow(b); return true })
}

func (s *savings) newAccount() *account {
	b := s.last.Load()
	now := clock.Now()
	return &account{tokens: b.floor, width: b.width, bucket: clock.Turn(now, int64(b.width)), used: now}
}

// NewBudget makes a Budget.
func NewBudget(o BudgetOptions) *Budget {
	b := &Budget{s: new(savings)}
	b.fill(o)
	s := b.s
	s.accounts.New = func(string) *account { return s.newAccount() }
	s.accounts.Shared = func() *account {
		a := s.newAccount()
		s.shared.Store(a)
		return a
	}
	s.accounts.Moved = (*account).moved
	s.accounts.Idle = func(a *account) bool { return a.idle(s.last.Load()) }
	s.latest(b)
	return b
}

// With returns a Budget with other options and the tokens of b, which both share
// from then on. Window and MaxTargets hold for b as well, and so does a lower bound of the
// tokens; what b itself would keep fewer of, it leaves. Where Min is raised, a target has
// the more only once its successes have paid for it.
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
	g, _ := b.withdraw(target)
	g.spend()
	return g.granted()
}

// withdraw is Withdraw; late is other than 0 where people are to be told how often a target found
// no account of its own, and is that number. What is granted is to be spent or refunded.
func (b *Budget) withdraw(target string) (g grant, late uint64) {
	if !b.made() {
		return g, 0
	}
	entry, late := b.s.accounts.Hold(target)
	if !entry.Value.withdraw(b) {
		entry.Release()
		return g, late
	}
	return grant{b, entry}, late
}

// Refund gives back what Withdraw took for a repeat that was never sent: to the account of target,
// or to the one that late targets share where target has got one of its own since, and has taken
// nothing from that.
func (b *Budget) Refund(target string) {
	if !b.made() {
		return
	}
	a, ok := b.s.accounts.Find(target)
	if shared := b.s.shared.Load(); shared != nil && (!ok || !a.owed()) && shared.owed() {
		a, ok = shared, true
	}
	if ok { // one that may be forgotten meanwhile lacks no token
		a.refund(b)
	}
}

// Deposit pays in for one call to target that succeeded.
func (b *Budget) Deposit(target string) { b.deposit(target) }

// deposit is Deposit; late is as that of withdraw.
func (b *Budget) deposit(target string) (late uint64) {
	if !b.made() {
		return 0
	}
	entry, late := b.s.accounts.Hold(target)
	defer entry.Release()
	a := entry.Value
	a.mu.Lock()
	defer a.mu.Unlock()
	a.successes++
	a.use()
	a.window[a.at]++
	a.inWindow++
	a.tokens = min(a.tokens+b.ratio, a.most(b.s.last.Load()))
	return late
}

// BudgetStats are the figures of one target. The counts only grow, until the target is forgotten to
// make room for another.
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
	stats := BudgetStats{Tokens: min(b.floor, b.s.last.Load().floor)}
	if b.unlimited {
		stats.Tokens = math.Inf(1)
	}
	if a, ok := b.s.accounts.Find(target); ok {
		return a.stats(b)
	}
	return stats
}
