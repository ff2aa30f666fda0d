package verdicts_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/clock"
	"github.com/holdfast-go/holdfast/internal/pause"
)

// A spy notes what policies see of an attempt.
type spy struct{ seen []holdfast.Result }

func (s *spy) Wrap(next holdfast.Handler) holdfast.Handler {
	return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
		res := next(ctx, call)
		s.seen = append(s.seen, res)
		return res
	}
}

// seen returns what comes to the policies of a call.
func seen(t *testing.T, call func(policies ...holdfast.Policy)) holdfast.Result {
	t.Helper()
	s := new(spy)
	call(s)
	if len(s.seen) != 1 {
		t.Fatalf("policies saw %d attempts, want 1", len(s.seen))
	}
	s.seen[0].Discard()
	return s.seen[0]
}

// ending is a policy that ends the attempt beneath it.
type ending func(ctx context.Context, call *holdfast.Call) (context.Context, context.CancelFunc)

func (e ending) Wrap(next holdfast.Handler) holdfast.Handler {
	return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
		ctx, cancel := e(ctx, call)
		defer cancel()
		return next(ctx, call)
	}
}

// soon is when a context ends: long enough to be a chance only for who has a limit of it.
const soon = 60 * time.Millisecond

// after ends an attempt by a cause.
func after(cause error) ending {
	return func(ctx context.Context, _ *holdfast.Call) (context.Context, context.CancelFunc) {
		ctx, cancel := context.WithCancelCause(ctx)
		timer := time.AfterFunc(soon, func() { cancel(cause) })
		return ctx, func() { timer.Stop(); cancel(nil) }
	}
}

// limit ends an attempt by a limit of ours, or by the caller's deadline; whole: the attempt has
// all of the time that it is allowed.
func limit(ours, whole bool) ending {
	return func(ctx context.Context, call *holdfast.Call) (context.Context, context.CancelFunc) {
		if whole {
			call.Limit(soon)
		}
		if ours {
			return context.WithTimeoutCause(ctx, soon, call.TimedOut(soon, "attempt"))
		}
		return context.WithTimeout(ctx, soon)
	}
}

// stood says, before the attempt is judged, that this process stood still for all of its time
// but a part.
func stood(ctx context.Context) {
	<-ctx.Done()
	now := clock.Now()
	pause.Note(now-int64(holdfast.CallFrom(ctx).Ran()-5*time.Millisecond), now)
}

// ends are the rows of what ends an attempt that waits. hang makes a call whose attempt does:
// it calls waits, beneath the door, with its context. All but what a pause makes of them is in
// virtual time, in which this process does not stand still.
func ends(t *testing.T, hang func(waits func(ctx context.Context), policies ...holdfast.Policy)) []row {
	t.Helper()
	paused := func(e ending) holdfast.Result {
		return seen(t, func(p ...holdfast.Policy) { hang(stood, append(p, e)...) })
	}
	came := func(e ending) (res holdfast.Result) {
		synctest.Test(t, func(t *testing.T) {
			res = seen(t, func(p ...holdfast.Policy) { hang(func(ctx context.Context) { <-ctx.Done() }, append(p, e)...) })
		})
		return res
	}
	return []row{
		{"time ran out, and the server had its chance", []holdfast.Result{came(limit(true, true)), came(limit(false, true))}},
		{"time ran out, and it had none", []holdfast.Result{came(limit(true, false)), came(limit(false, false))}},
		{"time ran out while this process stood still", []holdfast.Result{paused(limit(true, true)), paused(limit(false, true))}},
		{"cancelled by the caller", []holdfast.Result{came(after(context.Canceled))}},
		{"cut off, as the client was closed", []holdfast.Result{came(after(holdfast.ErrClosed))}},
		{"another attempt won, of a hedge", []holdfast.Result{came(after(holdfast.ErrSuperseded))}},
	}
}
