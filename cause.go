package holdfast

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// ErrSuperseded is the cause with which a hedge that lost is cancelled:
// context.Cause tells it beneath, also in the Done of a gRPC balancer.
var ErrSuperseded = errors.New("holdfast: superseded by another attempt")

// A TimeoutError says that a time limit of ours ran out. It is the
// context.Cause of the context that the limit ended, is a
// context.DeadlineExceeded to errors.Is, and a timeout to net.Error.
type TimeoutError struct {
	Limit time.Duration // how long was allowed
	Scope string        // what ran out: "call", "attempt" or "idle"
}

// Error names the limit.
func (e *TimeoutError) Error() string {
	if e.Scope == "idle" {
		return fmt.Sprintf("holdfast: nothing arrived for %v", e.Limit)
	}
	return fmt.Sprintf("holdfast: %s timed out after %v", e.Scope, e.Limit)
}

// Is reports whether target is context.DeadlineExceeded.
func (e *TimeoutError) Is(target error) bool { return target == context.DeadlineExceeded }

// Timeout returns true.
func (e *TimeoutError) Timeout() bool { return true }

// Mark returns an error that tells Do what err means: its class, and how long
// to wait at least before repeating (below zero: do not repeat). It reads like
// err and unwraps to it. Marking nil gives nil. Unmarked errors are Failures.
func Mark(err error, class Class, after time.Duration) error {
	if err == nil {
		return nil
	}
	return &marked{err, class, after}
}

type marked struct {
	error
	class Class
	after time.Duration
}

func (m *marked) Unwrap() error { return m.error }

// ClassOf judges an error of an attempt made under ctx, the context that its
// Sender passed on; err may be nil, a Success. It is the one place that tells
// these apart:
//
//   - cancelled by the caller, or superseded by another attempt: Ignored.
//   - out of time, by a limit of ours or by the caller's deadline: a Failure when
//     the attempt had run for its time limit or for 1 s, whichever is less, since
//     the server had its chance; else Ignored. Its time is a lower bound on the
//     latency, never a sample of it.
//   - marked: what Mark said.
//   - anything else: a Failure.
func ClassOf(ctx context.Context, err error) Class {
	if err == nil {
		return Success
	}
	switch ended(ctx) {
	case cancelled, superseded:
		return Ignored
	case outOfTime:
		call := CallFrom(ctx)
		if call == nil || call.Ran() >= call.chance() {
			return Failure
		}
		return Ignored
	}
	if m, ok := asMarked(err); ok {
		return m.class
	}
	return Failure
}

// CodeOf names an error of an attempt made under ctx: "ok", "cancelled",
// "superseded", "timeout" (ours), "deadline" (the caller's) or "error".
func CodeOf(ctx context.Context, err error) string {
	if err == nil {
		return "ok"
	}
	switch ended(ctx) {
	case cancelled:
		return "cancelled"
	case superseded:
		return "superseded"
	case outOfTime:
		if _, ours := context.Cause(ctx).(*TimeoutError); ours {
			return "timeout"
		}
		return "deadline"
	}
	return "error"
}

// AfterOf returns how long Mark said to wait before repeating, for the After of a
// Sender's Result; 0 for an error that is not marked.
func AfterOf(err error) time.Duration {
	if m, ok := asMarked(err); ok {
		return m.after
	}
	return 0
}

// chance is how long a server must have had before running out of time is its
// failure. A fiftieth is let off, since a limit begins a little before the
// transport gets the call.
func (c *Call) chance() time.Duration {
	chance := time.Second
	if limit := time.Duration(c.Record.limit.Load()); limit > 0 {
		chance = min(limit, chance)
	}
	return chance - chance/50
}

type ending uint8

const (
	alive ending = iota
	cancelled
	superseded
	outOfTime
)

func ended(ctx context.Context) ending {
	err := ctx.Err()
	if err == nil {
		// An error that a deadline made (of a dial, of a read) can be here
		// before the context's own timer has run.
		if deadline, ok := ctx.Deadline(); ok && !time.Now().Before(deadline) {
			return outOfTime
		}
		return alive
	}
	cause := context.Cause(ctx)
	switch {
	case errors.Is(cause, ErrSuperseded):
		return superseded
	case err == context.DeadlineExceeded, errors.Is(cause, context.DeadlineExceeded):
		return outOfTime
	}
	return cancelled
}

func asMarked(err error) (*marked, bool) {
	var m *marked
	ok := errors.As(err, &m)
	return m, ok
}
