package breaker_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/breaker"
)

// A client that logs in on the connection of its first command makes a call within a call. When
// that one is the probe, the inner call is a part of it: it passes, one at a time, and the outer
// call alone decides.
func TestACallWithinAProbeBelongsToIt(t *testing.T) {
	for name, c := range map[string]struct {
		inner, outer error
		state        breaker.State
	}{
		"both are well":            {nil, nil, breaker.Closed},
		"the inner one fails":      {errors.New("no such user"), nil, breaker.Closed},
		"the outer one fails":      {nil, errors.New("down"), breaker.Open},
		"the inner one fails both": {errors.New("down"), errors.New("down"), breaker.Open},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := breaker.New(breaker.Options{Row: 1})
				h := holdfast.Chain(b)
				call := holdfast.Call{Target: "redis"}
				_, _ = holdfast.Do(t.Context(), h, call, func(context.Context) (int, error) { return 0, errors.New("refused") })
				time.Sleep(time.Minute)
				logins := 0
				_, err := holdfast.Do(t.Context(), h, call, func(ctx context.Context) (int, error) {
					login := func(f func(context.Context) (int, error)) error {
						_, err := holdfast.Do(ctx, h, call, f)
						return err
					}
					if err := login(func(context.Context) (int, error) {
						logins++
						// A second one at the same time is no part of it, and nor is a call of somebody else.
						for _, ctx := range []context.Context{ctx, t.Context()} {
							if _, err := holdfast.Do(ctx, h, call, func(context.Context) (int, error) { return 0, nil }); !errors.Is(err, breaker.ErrOpen) {
								t.Errorf("a call beside the probe: %v, want a rejection", err)
							}
						}
						return 0, c.inner
					}); !errors.Is(err, c.inner) {
						t.Errorf("the first login: %v", err)
					}
					if err := login(func(context.Context) (int, error) { logins++; return 0, nil }); err != nil {
						t.Errorf("the second login: %v", err)
					}
					return 0, c.outer
				})
				if s := b.Status("redis"); !errors.Is(err, c.outer) || logins != 2 || s.State != c.state || s.Rejected != 2 {
					t.Errorf("%v after %d logins; %+v", err, logins, s)
				}
			})
		})
	}
}
