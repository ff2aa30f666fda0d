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
// context.DeadlineExceeded to errors.Is, and a net.Error. A policy that limits time
// makes one with Call.TimedOut.
type TimeoutError struct {
	Limit time.Duration // how long was allowed
	Scope string        // what ran out: "call", "attempt" or "idle"

	of *Record // of the request that was limited; nil: somebody has made it by hand
}

// TimedOut makes the error of a limit of this call, which is to be the cause of the
// context that the limit ends.
func (c *Call) TimedOut(limit time.Duration, scope string) *TimeoutError {
	return &TimeoutError{Limit: limit, Scope: scope, of: c.Record}
}

// Limits reports whether e is a limit of this call's.
func (c *Call) Limits(e *TimeoutError) bool { return e.of != nil && e.of == c.Record }

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

// Temporary returns true, as that of context.DeadlineExceeded does.
func (e *TimeoutError) Temporary() bool { return true }

// RanOut returns the limit of ours that has ended ctx, the context of a call or one
// beneath it; nil where none has. A cancel is a cancel, whatever error its cause is or
// wraps: a limit of another call, which somebody passes on as a cause, is none of ours.
func RanOut(ctx context.Context) *TimeoutError {
	err := ctx.Err() // asked first: a context may know its cause only then
	if err == nil {
		return nil
	}
	limit, ok := context.Cause(ctx).(*TimeoutError)
	if !ok {
		return nil
	}
	if err == context.DeadlineExceeded {
		return limit // also that of a policy of somebody's own
	}
	for call := CallFrom(ctx); call != nil; call = outside(call.within, call) {
		if limit.of == call.Record {
			return limit // a limit that moves ends its context by a cancel
		}
	}
	return nil
}

type ending uint8

const (
	alive ending = iota
	cancelled
	superseded
	outOfTime
	cutOff // by a Gate
)

// ended tells what has ended ctx.
func ended(ctx context.Context) ending {
	err := ctx.Err()
	switch {
	case err == nil:
		// An error that a deadline made (of a dial, of a read) can be here
		// before the context's own timer has run.
		if deadline, ok := ctx.Deadline(); ok && !time.Now().Before(deadline) {
			return outOfTime
		}
		return alive
	case err == context.DeadlineExceeded:
		return outOfTime
	case context.Cause(ctx) == ErrSuperseded:
		return superseded
	case context.Cause(ctx) == ErrClosed:
		return cutOff
	case RanOut(ctx) != nil:
		return outOfTime
	}
	return cancelled
}
