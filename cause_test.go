package holdfast_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
)

// attempt runs one attempt under ctx: wait, then judge err as a Sender would.
func attempt(ctx context.Context, limit, runs time.Duration, err error) (class holdfast.Class, code holdfast.Code) {
	call := &holdfast.Call{Sender: senderFunc(func(ctx context.Context, call *holdfast.Call) holdfast.Result {
		call.Limit(limit)
		ctx = call.Context(ctx)
		time.Sleep(runs)
		return holdfast.Result{Err: err, Class: holdfast.VerdictOf(ctx, err).Class, Code: holdfast.VerdictOf(ctx, err).Code}
	})}
	res := holdfast.Chain()(ctx, call)
	return res.Class, res.Code
}

// T47, the part of the verdict: the caller's own cancel counts as nothing; a
// deadline that expired, ours or the caller's, counts as a failure when the
// attempt had run for min(attempt timeout, 1 s), else as nothing.
func TestT47_VerdictOfTellsTheEndingsApart(t *testing.T) {
	boom := errors.New("boom")
	deadline := func(d time.Duration) func(context.Context) (context.Context, context.CancelFunc) {
		return func(ctx context.Context) (context.Context, context.CancelFunc) { return context.WithTimeout(ctx, d) }
	}
	ours := func(d time.Duration) func(context.Context) (context.Context, context.CancelFunc) {
		return func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeoutCause(ctx, d, &holdfast.TimeoutError{Limit: d, Scope: "attempt"})
		}
	}
	oursByCancel := func(ctx context.Context) (context.Context, context.CancelFunc) { // of another call, passed on
		ctx, cancel := context.WithCancelCause(ctx)
		cancel(&holdfast.TimeoutError{Limit: time.Second, Scope: "idle"})
		return ctx, func() {}
	}
	by := func(cause error) func(context.Context) (context.Context, context.CancelFunc) {
		return func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancelCause(ctx)
			cancel(cause)
			return ctx, func() {}
		}
	}
	causedBy := func(cause error, d time.Duration) func(context.Context) (context.Context, context.CancelFunc) {
		return func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeoutCause(ctx, d, cause)
		}
	}
	none := func(ctx context.Context) (context.Context, context.CancelFunc) { return ctx, func() {} }

	for name, c := range map[string]struct {
		ctx         func(context.Context) (context.Context, context.CancelFunc)
		limit, runs time.Duration
		err         error
		class       holdfast.Class
		code        holdfast.Code
	}{
		"no error":                               {none, 0, 0, nil, holdfast.Success, "ok"},
		"unmarked error":                         {none, 0, 0, boom, holdfast.Failure, "error"},
		"marked refused":                         {none, 0, 0, holdfast.Mark(boom, holdfast.Refused, 0), holdfast.Refused, "error"},
		"marked and wrapped":                     {none, 0, 0, fmt.Errorf("x: %w", holdfast.Mark(boom, holdfast.Overload, 0)), holdfast.Overload, "error"},
		"caller cancelled":                       {by(nil), 0, 5 * time.Second, boom, holdfast.Ignored, "cancelled"},
		"caller cancelled, marked":               {by(nil), 0, 0, holdfast.Mark(boom, holdfast.Failure, 0), holdfast.Ignored, "cancelled"},
		"caller cancelled with a cause":          {by(boom), 0, 0, boom, holdfast.Ignored, "cancelled"},
		"superseded":                             {by(holdfast.ErrSuperseded), 0, 5 * time.Second, boom, holdfast.Ignored, "superseded"},
		"caller's deadline, had its chance":      {deadline(3 * time.Second), 0, 3001 * time.Millisecond, boom, holdfast.Failure, "deadline"},
		"caller's deadline, of an inner hop":     {deadline(950 * time.Millisecond), 0, 951 * time.Millisecond, boom, holdfast.Failure, "deadline"},
		"caller's deadline, too soon":            {deadline(490 * time.Millisecond), 0, 491 * time.Millisecond, boom, holdfast.Ignored, "deadline"},
		"caller's deadline, within our limit":    {deadline(100 * time.Millisecond), 300 * time.Millisecond, 101 * time.Millisecond, boom, holdfast.Ignored, "deadline"},
		"caller's deadline, as long as ours":     {deadline(300 * time.Millisecond), 300 * time.Millisecond, 301 * time.Millisecond, boom, holdfast.Failure, "deadline"},
		"caller's deadline with a cause":         {causedBy(boom, 2*time.Second), 0, 2001 * time.Millisecond, boom, holdfast.Failure, "deadline"},
		"our limit":                              {ours(200 * time.Millisecond), 200 * time.Millisecond, 201 * time.Millisecond, boom, holdfast.Failure, "timeout"},
		"a cancel by somebody else's limit":      {oursByCancel, time.Second, 2 * time.Second, boom, holdfast.Ignored, "cancelled"},
		"a cancel by somebody's deadline":        {by(fmt.Errorf("sibling: %w", context.DeadlineExceeded)), time.Second, 2 * time.Second, boom, holdfast.Ignored, "cancelled"},
		"a cancel by somebody's lost hedge":      {by(fmt.Errorf("sibling: %w", holdfast.ErrSuperseded)), time.Second, 2 * time.Second, boom, holdfast.Ignored, "cancelled"},
		"our limit over a whole call, too soon":  {ours(50 * time.Millisecond), 200 * time.Millisecond, 51 * time.Millisecond, boom, holdfast.Ignored, "timeout"},
		"a dial that timed out before its timer": {func(ctx context.Context) (context.Context, context.CancelFunc) { return late{ctx}, func() {} }, 0, 2 * time.Second, &net.OpError{Op: "dial", Err: boom}, holdfast.Failure, "deadline"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := c.ctx(context.Background())
				defer cancel()
				class, code := attempt(ctx, c.limit, c.runs, c.err)
				if class != c.class || code != c.code {
					t.Errorf("got %v %q, want %v %q", class, code, c.class, c.code)
				}
			})
		})
	}
}

// late is a context whose deadline has passed and whose timer has not run.
type late struct{ context.Context }

func (late) Deadline() (time.Time, bool) { return time.Now().Add(-time.Nanosecond), true }

func TestTheShortestLimitCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		call := &holdfast.Call{Sender: senderFunc(func(ctx context.Context, call *holdfast.Call) holdfast.Result {
			for _, limit := range []time.Duration{time.Minute, 300 * time.Millisecond, time.Hour, 0, -1} {
				call.Limit(limit)
			}
			ctx = call.Context(ctx)
			<-ctx.Done()
			return holdfast.Result{Err: ctx.Err(), Class: holdfast.VerdictOf(ctx, ctx.Err()).Class}
		})}
		if res := holdfast.Chain()(ctx, call); res.Class != holdfast.Failure {
			t.Errorf("got %v after the shortest limit, want failure", res.Class)
		}
	})
}

func TestVerdictOfWithoutACall(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 0)
	defer cancel()
	if got := holdfast.VerdictOf(ctx, ctx.Err()).Class; got != holdfast.Failure {
		t.Errorf("got %v, want failure", got)
	}
}

func TestMark(t *testing.T) {
	if holdfast.Mark(nil, holdfast.Failure, 0) != nil {
		t.Error("a marked nil is an error")
	}
	boom := errors.New("boom")
	err := holdfast.Mark(boom, holdfast.Refused, time.Second)
	if holdfast.VerdictOf(t.Context(), fmt.Errorf("wrapped: %w", err)).After != time.Second || holdfast.VerdictOf(t.Context(), boom).After != 0 {
		t.Error("what was said of waiting is lost")
	}
	if !errors.Is(err, boom) || err.Error() != "boom" {
		t.Errorf("%v does not read like, and unwrap to, what was marked", err)
	}
}

func TestTimeoutError(t *testing.T) {
	err := fmt.Errorf("get: %w", &holdfast.TimeoutError{Limit: time.Second, Scope: "attempt"})
	if !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		t.Error("a TimeoutError is a context.DeadlineExceeded, and nothing else")
	}
	var timeout net.Error
	if !errors.As(&net.OpError{Op: "read", Err: &holdfast.TimeoutError{}}, &timeout) || !timeout.Timeout() {
		t.Error("not a timeout to net.Error")
	}
	for scope, want := range map[string]string{
		"call":    "holdfast: call timed out after 2s",
		"attempt": "holdfast: attempt timed out after 2s",
		"idle":    "holdfast: nothing arrived for 2s",
	} {
		if got := (&holdfast.TimeoutError{Limit: 2 * time.Second, Scope: scope}).Error(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
