package holdfast_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
)

// limited is a limit around what is further in, as package timeout sets it.
func limited(d time.Duration) holdfast.Policy {
	return holdfast.PolicyFunc(func(next holdfast.Handler) holdfast.Handler {
		return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
			ctx, cancel := context.WithTimeoutCause(ctx, d, call.TimedOut(d, "attempt"))
			defer cancel()
			call.Limit(d)
			return next(ctx, call)
		}
	})
}

// A policy that stands in for a slow server passes on calls whose time it has spent: they are
// judged by that time, as those of a server are.
func TestTimeThatAPolicySpendsInAServersPlace(t *testing.T) {
	for name, c := range map[string]struct {
		caller, limit, lag time.Duration
		waited             bool // for something of this process
		want               holdfast.Class
	}{
		"all of the attempt's limit":        {time.Hour, time.Second, 2 * time.Second, false, holdfast.Failure},
		"more than the attempt has":         {time.Hour, 50 * time.Millisecond, time.Second, false, holdfast.Failure},
		"the time that the caller has left": {50 * time.Millisecond, time.Second, 2 * time.Second, false, holdfast.Ignored},
		"a wait for something of ours":      {time.Hour, time.Second, 2 * time.Second, true, holdfast.Ignored},
		"a part of it":                      {time.Hour, time.Second, time.Second / 2, false, holdfast.Success},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), c.caller)
				defer cancel()
				lag := holdfast.PolicyFunc(func(next holdfast.Handler) holdfast.Handler {
					return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
						timer := time.NewTimer(c.lag)
						defer timer.Stop()
						select {
						case <-timer.C:
						case <-ctx.Done():
						}
						if c.waited {
							call.Waited()
						}
						return next(ctx, call)
					}
				})
				var got holdfast.Class
				see := holdfast.PolicyFunc(func(next holdfast.Handler) holdfast.Handler {
					return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
						res := next(ctx, call)
						got = res.Class
						return res
					}
				})
				_, _ = holdfast.Do(ctx, holdfast.Chain(see, limited(c.limit), lag), holdfast.Call{Target: "t"}, func(context.Context) (int, error) { return 1, nil })
				if got != c.want {
					t.Errorf("judged as %v, want %v", got, c.want)
				}
			})
		})
	}
}
