package hedge_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/hedge"
	"github.com/holdfast-go/holdfast/timeout"
)

// A call with a limit of its own, such as a long poll, is not hedged after what others take, and they
// are hedged as before, however many polls there were. What is called within it is as any other.
func TestACallWithALimitOfItsOwnIsLeftAlone(t *testing.T) {
	for name, asks := range map[string]func(context.Context) context.Context{
		"of the call": func(ctx context.Context) context.Context { return timeout.WithLimit(ctx, 5*time.Minute) },
		"of attempts": func(ctx context.Context) context.Context { return timeout.WithAttemptLimit(ctx, -1) },
	} {
		synctest.Test(t, func(t *testing.T) {
			p := hedge.New(hedge.Options{Window: time.Hour, Share: -1})
			h := holdfast.Chain(p, timeout.New(timeout.Options{Limit: time.Minute}))
			call := func(ctx context.Context, takes time.Duration) int64 {
				var attempts atomic.Int64
				_, _ = holdfast.Do(ctx, h, get, func(ctx context.Context) (int, error) {
					attempts.Add(1)
					time.Sleep(takes)
					return 0, ctx.Err()
				})
				return attempts.Load()
			}
			for range 200 {
				call(t.Context(), 10*time.Millisecond)
			}
			time.Sleep(time.Minute) // a reading is kept for a while
			before := p.Stats("t")
			if before.Delay == 0 || call(t.Context(), 10*time.Second) != 2 {
				t.Fatalf("%s: %+v: nothing is hedged", name, before)
			}
			before = p.Stats("t")
			for range 60 {
				if n := call(asks(t.Context()), 20*time.Second); n != 1 {
					t.Fatalf("%s: a poll is sent %d times", name, n)
				}
			}
			if after := p.Stats("t"); after.Calls != before.Calls || after.Hedges != before.Hedges || after.Delay > 11*time.Millisecond {
				t.Errorf("%s: before the polls %+v, and after them %+v", name, before, after)
			}
			if n := call(t.Context(), 5*time.Second); n != 2 {
				t.Errorf("%s: another call is sent %d times after the polls", name, n)
			}
			if n := call(timeout.WithLimit(t.Context(), 0), 5*time.Second); n != 2 {
				t.Errorf("%s: a call that asks for the limit of the options is sent %d times", name, n)
			}
			within := int64(0)
			_, _ = holdfast.Do(asks(t.Context()), h, get, func(ctx context.Context) (int, error) {
				within = call(ctx, 5*time.Second) // once: a poll is sent once
				return 0, nil
			})
			if within != 2 {
				t.Errorf("%s: a call within a poll is sent %d times", name, within)
			}
		})
	}
}
