package limit

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/holdfast-go/holdfast"
)

// ErrLimited is what every Error is to errors.Is.
var ErrLimited = errors.New("holdfast: limited")

// An Error says that a call was not sent, since a limit was reached.
type Error struct {
	Target string        // "" where the limit is not PerTarget
	limit  string        // which: "1000 calls in flight", "50 calls a second"
	reason string        // "no room", "the queue is full", "waited 100ms", "the wait would pass the deadline"
	wait   time.Duration // until it would have been its turn; 0: not known
}

// Error names the limit, why there was no room, and how long the call would have had to wait
// where that is known.
func (e *Error) Error() string {
	if e.Target == "" {
		return fmt.Sprintf("holdfast: limited to %s: %s", e.limit, e.why())
	}
	return fmt.Sprintf("holdfast: %q is limited to %s: %s", e.Target, e.limit, e.why())
}

func (e *Error) why() string {
	if e.wait <= 0 {
		return e.reason
	}
	wait := e.wait
	if wait > 10*time.Millisecond {
		wait = wait.Round(time.Millisecond)
	}
	return fmt.Sprintf("%s; its turn would come in %v", e.reason, wait)
}

// Is reports whether target is ErrLimited.
func (e *Error) Is(target error) bool { return target == ErrLimited }

// word is the reason as one of few.
func (e *Error) word() string {
	switch {
	case strings.HasPrefix(e.reason, "waited"):
		return "waited"
	case strings.Contains(e.reason, "deadline"):
		return "deadline"
	case strings.Contains(e.reason, "queue"):
		return "queue"
	}
	return "full"
}

// A waitError says that the time of a call was over while it waited: the call was not sent, and no
// server was slow. It is the error of the context in all other respects.
type waitError struct {
	limit string
	err   error
}

func (e *waitError) Error() string {
	return fmt.Sprintf("holdfast: limited to %s: while it waited for its turn: %v", e.limit, e.err)
}

func (e *waitError) Unwrap() error { return e.err }

// Timeout reports whether it was time that ran out; url.Error and net.Error ask that.
func (e *waitError) Timeout() bool {
	var t interface{ Timeout() bool }
	return errors.As(e.err, &t) && t.Timeout()
}

// Temporary is Timeout, as for context.DeadlineExceeded.
func (e *waitError) Temporary() bool { return e.Timeout() }

func rejected(ctx context.Context, call *holdfast.Call, policy string, err error) holdfast.Result {
	why := holdfast.Event{Policy: policy, Err: err}
	var limited *Error
	if errors.As(err, &limited) {
		why.Code, why.Reason, why.Detail = holdfast.CodeLimited, limited.word(), limited.why()
	}
	return call.Reject(ctx, why)
}

// telling is next, after those who listen were told that calls share a limit, since their targets found none
// of their own; late is how many they were so far, and 0: it is not to be told now.
func telling(next holdfast.Handler, policy string, late uint64) holdfast.Handler {
	if late == 0 {
		return next
	}
	return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
		tellLate(ctx, call, policy, late)
		return next(ctx, call)
	}
}

func tellLate(ctx context.Context, call *holdfast.Call, policy string, late uint64) {
	call.TellFull(ctx, holdfast.Event{
		Policy: policy, Target: call.Target, Reason: "max_targets",
		Detail: "calls share a limit, since their targets find none of their own; raise MaxTargets if the targets are not of an attacker's choosing",
	}, late)
}
