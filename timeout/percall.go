package timeout

import (
	"context"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/asked"
)

// WithLimit returns a context for one call that may take d, in the place of the Limit of the
// Timeouts that it passes, around the whole call and around each attempt. It is for a call that
// takes longer than others to the same server, such as a long poll:
//
//	ctx = timeout.WithLimit(ctx, 5*time.Minute)
//
// 0 means the Limit of the Options, and negative no limit. An idle limit that Options.Idle does
// not name follows the attempt's; one that it names stays. Neither IfNone nor Adaptive holds for
// the call, and nothing is learnt of what it takes, nor does a hedge (package hedge) learn of it or
// send another beside it. What a limit covers stays as it is: around
// the whole call it holds for a stream with Options.Streams alone. The deadline of ctx is kept as
// ever. To give a call less time, and its attempts their own limit, use context.WithTimeout.
//
// It holds for each call that is made with the context, such as each request of an http.Client
// that follows a redirect, and not for calls that are made within such a call, with the context
// of its attempt. Of several limits the innermost counts. The context is safe for concurrent
// use, as any is.
func WithLimit(ctx context.Context, d time.Duration) context.Context {
	return (&asked.Limit{Call: d, Attempt: d, Within: holdfast.CallFrom(ctx)}).On(ctx)
}

// WithAttemptLimit is WithLimit for the Timeouts around each attempt alone: what holds for the
// whole call stays.
func WithAttemptLimit(ctx context.Context, d time.Duration) context.Context {
	a := &asked.Limit{Attempt: d, Within: holdfast.CallFrom(ctx)}
	if outer := askedBy(ctx); outer != nil {
		a.Call = outer.Call
	}
	return a.On(ctx)
}

// askedBy returns what ctx asks for, or nil. What was asked of a call further out is not meant
// for one that is made within it.
func askedBy(ctx context.Context) *asked.Limit {
	if a := asked.By(ctx); a != nil && a.Within == any(holdfast.CallFrom(ctx)) {
		return a
	}
	return nil
}

// as returns t with the limit that a call asks for.
func (t *Timeout) as(limit time.Duration) Timeout {
	own := *t
	own.limit, own.ifNone, own.adaptive = max(limit, 0), false, nil
	if t.unnamed {
		own.idle = own.limit
	}
	if own.limit > 0 {
		own.floor = min(t.floor, own.limit/2)
	}
	return own
}
