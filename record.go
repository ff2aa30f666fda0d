package holdfast

import (
	"slices"
	"sync"
	"sync/atomic"
)

// A Record is what all the attempts of one logical request share: the ledger,
// the endpoints tried, and which policies have a claim on it. The zero Record
// is ready. It is safe for concurrent use and must not be copied.
type Record struct {
	again atomic.Int32  // attempts beyond the first
	marks atomic.Uint32 // claimed and the like, and how often it was replayed
	limit atomic.Int64  // the shortest time limit set on an attempt; 0: none

	listener atomic.Pointer[Listener] // the innermost; nil: nobody listens
	passing  passing                  // of the first Gate that it comes to

	mu      sync.Mutex
	held    Hook                    // what it holds; more is in journal
	first   string                  // the endpoint that was tried first
	journal atomic.Pointer[journal] // written under mu
}

// The marks of a Record.
const (
	claimed  = 1 << iota // a policy of this chain repeats the call
	repeated             // a layer further in has repeated it
	once                 // it shares a probe's leave, and is sent once
	pinned               // to its first endpoint, for all attempts
	gated                // it has come to a Gate
	replay               // one of the transport's own; they are counted in the bits from here on
)

// mark sets a mark, and reports whether it was not set before.
func (r *Record) mark(m uint32) bool { return r.marks.Or(m)&m == 0 }

func (r *Record) marked(m uint32) bool { return r.marks.Load()&m != 0 }

// A journal is what few calls need of their Record: nil while one attempt is
// enough, and is sent where the Target says.
type journal struct {
	attempts []Attempt
	omitted  int
	stopped  string
	tried    []string  // endpoints beyond the first
	pinned   string    // the endpoint of all attempts, where it is not the first
	told     *told     // what a call within this one has said of an error
	lent     *loan     // what a call within this one has of Record.held
	held     []holding // beyond Record.held
}

// journaled returns the journal, made if need be; the lock is held.
func (r *Record) journaled() *journal {
	j := r.journal.Load()
	if j == nil {
		j = new(journal)
		r.journal.Store(j)
	}
	return j
}

// Claim asks to be the policy that repeats this call when it fails; the first to ask is.
// A second one further in learns that it is not, and sends once, so that layers do not
// multiply attempts. A policy that will not repeat failures does not ask.
func (r *Record) Claim() bool { return r.mark(claimed) }

// Claimed reports whether a policy repeats this call when it fails.
func (r *Record) Claimed() bool { return r.marked(claimed) }

// Attempts returns how many sendings there were so far, or are under way: one, those
// that Again has made, and the Replays that are known.
func (r *Record) Attempts() int { return int(r.again.Load()) + 1 + r.Replays() }

// Replays returns how many sendings the transport has made by itself, beneath all
// policies, as far as its door knows.
func (r *Record) Replays() int { return int(r.marks.Load() / replay) }

// hasTried is asked with the lock held.
func (r *Record) hasTried(endpoint string) bool {
	if r.first == endpoint {
		return true
	}
	j := r.journal.Load()
	return j != nil && slices.Contains(j.tried, endpoint)
}

// pin notes the endpoint of all attempts. The lock is held.
func (r *Record) pin(endpoint string) {
	if r.first == "" || r.first == endpoint {
		r.mark(pinned)
		endpoint = ""
	}
	if j := r.journal.Load(); j != nil || endpoint != "" {
		r.journaled().pinned = endpoint
	}
}

// pinnedTo returns the endpoint of all attempts; empty: each is to be chosen.
func (r *Record) pinnedTo() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if j := r.journal.Load(); j != nil && j.pinned != "" {
		return j.pinned
	}
	if r.marked(pinned) {
		return r.first
	}
	return ""
}
