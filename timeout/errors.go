package timeout

import (
	"context"
	"fmt"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/clock"
)

// A lateError says that a call was not sent, since its deadline was too near.
type lateError struct {
	left, floor time.Duration
	of          *holdfast.TimeoutError // the limit whose deadline it is; nil: the caller's
}

func (e *lateError) Error() string {
	return fmt.Sprintf("holdfast: not sent: %v left before the deadline, less than %v", max(e.left, 0), e.floor)
}

// Unwrap tells our limit and the caller's deadline apart; both are a
// context.DeadlineExceeded.
func (e *lateError) Unwrap() error {
	if e.of != nil {
		return e.of
	}
	return context.DeadlineExceeded
}

func (e *lateError) Timeout() bool { return true }

// Temporary is what net.Error asks for.
func (e *lateError) Temporary() bool { return true }

// tooLate answers a call that is not sent. Nobody out there was asked, so it
// says nothing about a server.
func tooLate(ctx context.Context, left, floor time.Duration) holdfast.Result {
	err, code := &lateError{left: left, floor: floor}, holdfast.CodeDeadline
	if c, ok := ctx.Value(boundedKey{}).(*bounded); ok {
		theirs, _ := ctx.Deadline()
		if at, _, ok := c.ends(); ok && clock.Time(at).Equal(theirs) {
			err.of, code = c.timedOut(), holdfast.CodeTimeout
		}
	}
	return holdfast.Result{Err: err, Class: holdfast.Ignored, Code: code}
}

// An unreadError is the cause when an answer was cut off because its reader did
// not read. It is no context.DeadlineExceeded, which would be held against the
// server.
type unreadError struct{ after time.Duration }

func (e *unreadError) Error() string {
	return fmt.Sprintf("holdfast: the answer was left unread for %v", e.after)
}

func (e *unreadError) Timeout() bool { return true }

// Temporary is what net.Error asks for.
func (e *unreadError) Temporary() bool { return true }
