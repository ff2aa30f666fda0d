package holdfast

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// maxLedger bounds what a Record remembers of one call.
const maxLedger = 32

// An Attempt is one line of a Ledger.
type Attempt struct {
	Number   int
	Hedge    bool
	Endpoint string // empty: the target itself
	Start    time.Time
	Took     time.Duration // until the Result; 0 when it was never sent
	Class    Class
	Code     Code
}

// A Ledger says what was tried for one call, and why nothing more was. It holds
// attempts of calls that needed, or were refused, more than one; it is empty
// for a call that succeeded at once.
type Ledger struct {
	Attempts []Attempt
	Omitted  int    // attempts between the first half and the last that were left out, to bound it
	Stopped  string // why there was no further attempt; empty when the last one succeeded
}

// String is one line for a log: "1: 503 in 12ms; 2: timeout in 500ms @10.0.0.2:80; stopped: budget empty".
func (l Ledger) String() string {
	var b strings.Builder
	for i, a := range l.Attempts {
		if i > 0 {
			b.WriteString("; ")
		}
		fmt.Fprintf(&b, "%d: %s in %v", a.Number, a.Code, a.Took.Round(time.Microsecond))
		if a.Hedge {
			b.WriteString(" (hedge)")
		}
		if a.Endpoint != "" {
			b.WriteString(" @" + a.Endpoint[strings.LastIndexByte(a.Endpoint, '@')+1:]) // no user, no password
		}
	}
	if l.Omitted > 0 {
		fmt.Fprintf(&b, "; %d left out", l.Omitted)
	}
	if l.Stopped != "" {
		b.WriteString("; stopped: " + l.Stopped)
	}
	return strings.TrimPrefix(b.String(), "; ")
}

// Log enters one sending of the request into its ledger, where it stands by its number.
// The policy that makes attempts logs each one, once it has returned; it need not log a
// first attempt that succeeded before there was another. A policy further out that
// logs the same one again changes nothing: whoever made it knew best what it came to.
func (r *Record) Log(call *Call, res Result) {
	a := Attempt{
		Number: call.Attempt, Hedge: call.Hedge, Endpoint: call.Endpoint,
		Took: call.Ran(), Class: res.Class, Code: res.Code,
	}
	a.Start = time.Now().Add(-a.Took)
	r.mu.Lock()
	defer r.mu.Unlock()
	j := r.journaled()
	at, logged := slices.BinarySearchFunc(j.attempts, a.Number, func(a Attempt, number int) int { return a.Number - number })
	if logged {
		return
	}
	if len(j.attempts) == maxLedger {
		j.omitted++
		if at == maxLedger/2 { // it is what would be left out
			return
		}
		out := maxLedger / 2
		if at < out { // one of the first half came late
			out--
		} else {
			at--
		}
		j.attempts = slices.Delete(j.attempts, out, out+1)
	}
	j.attempts = slices.Insert(j.attempts, at, a)
}

// Stop enters why there is no further attempt.
func (r *Record) Stop(why string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.journaled().stopped = why
}

// Ledger returns a copy of the ledger as it stands.
func (r *Record) Ledger() Ledger {
	j := r.journal.Load()
	if j == nil {
		return Ledger{} // what most calls have is had without the lock
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return Ledger{append([]Attempt(nil), j.attempts...), j.omitted, j.stopped}
}

type ledgerKey struct{}

// WithLedger returns a context in which LedgerOf finds the ledger of the record.
// A door puts it on what it hands to its caller.
func WithLedger(ctx context.Context, r *Record) context.Context {
	return context.WithValue(ctx, ledgerKey{}, r)
}

// LedgerOf returns the ledger of the call whose answer carries ctx, such as
// resp.Request.Context() of an HTTP response. It is empty when one attempt was
// enough.
func LedgerOf(ctx context.Context) Ledger {
	if r, ok := ctx.Value(ledgerKey{}).(*Record); ok {
		return r.Ledger()
	}
	return Ledger{}
}

// An AttemptsError is the error of a call that took several attempts. It
// unwraps to the error of the last attempt that a server has had, so that errors.Is and
// errors.As see what they would see without retries; they see what ended the call too.
type AttemptsError struct {
	Err    error
	Reason error // what ended the call midway: an open circuit, a limit, an empty budget; nil: nothing did
	Ledger Ledger
}

// Error is the last error, followed by the ledger.
func (e *AttemptsError) Error() string {
	return fmt.Sprintf("%v (attempts: %v)", e.Err, e.Ledger)
}

// Unwrap returns the last attempt's error.
func (e *AttemptsError) Unwrap() error { return e.Err }

// Is reports whether target is what ended the call midway, for errors.Is, which finds
// the last attempt's error as well.
func (e *AttemptsError) Is(target error) bool { return e.Reason != nil && errors.Is(e.Reason, target) }

// As is Is for errors.As; where both are of the type it is the last attempt's error.
func (e *AttemptsError) As(target any) bool {
	return errors.As(e.Err, target) || e.Reason != nil && errors.As(e.Reason, target)
}

// Timeout reports whether the last attempt's error was a timeout.
func (e *AttemptsError) Timeout() bool { return isTimeout(e.Err) }

// Temporary reports whether the last attempt's error says so of itself, which net.Error
// asks for.
func (e *AttemptsError) Temporary() bool {
	var t interface{ Temporary() bool }
	return errors.As(e.Err, &t) && t.Temporary()
}
