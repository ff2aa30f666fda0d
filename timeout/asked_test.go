package timeout

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
)

// A timer that is a moment late is not waited for: who asks ends the context, and what is
// beneath it.
func TestWhoAsksEndsIt(t *testing.T) {
	eachKind(t, func(t *testing.T, k kind) {
		under(t.Context(), k, func(ctx context.Context) {
			child, cancel := context.WithCancel(ctx)
			defer cancel()
			ctx.(*bounded).timer.timer.Stop()
			time.Sleep(time.Second - 1)
			if err := ctx.Err(); err != nil || child.Err() != nil {
				t.Errorf("%v before the limit", err)
			}
			time.Sleep(1)
			if err := ctx.Err(); err != context.DeadlineExceeded || child.Err() == nil {
				t.Errorf("%v at the limit, and beneath %v", err, child.Err())
			}
			if _, ok := context.Cause(child).(*holdfast.TimeoutError); !ok {
				t.Errorf("cause %v", context.Cause(child))
			}
		})
	})
}

// Once somebody was told that the time has come it does not move, whatever is learnt of pauses
// meanwhile: to ask a context for its error must never wait.
func TestWhoAsksNeverWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		under(t.Context(), kind{"unary", holdfast.Call{Unary: true}, false}, func(ctx context.Context) {
			child, cancel := context.WithCancel(ctx)
			defer cancel()
			c := ctx.(*bounded)
			c.mu.Lock()
			c.seen = true
			c.mu.Unlock()
			start := time.Now()
			c.hang()
			if err := child.Err(); err != context.DeadlineExceeded || time.Since(start) != 0 {
				t.Errorf("%v after %v", err, time.Since(start))
			}
			if _, ok := context.Cause(child).(*holdfast.TimeoutError); !ok {
				t.Errorf("cause %v", context.Cause(child))
			}
		})
	})
}

// When a limit runs out as the caller gives up, one of both has ended what is beneath: error and
// cause agree.
func TestALimitAndACancelAtOnceAgree(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		parent, cancel := context.WithCancelCause(t.Context())
		under(parent, kind{"unary", holdfast.Call{Unary: true}, false}, func(ctx context.Context) {
			b := ctx.(*bounded)
			child, let := context.WithCancel(ctx)
			defer let()
			b.timer.timer.Stop()
			time.Sleep(time.Second)
			_ = (*root)(b).Err() // the timer has decided, and is about to tell
			cancel(fmt.Errorf("mine"))
			synctest.Wait()
			_, limited := context.Cause(child).(*holdfast.TimeoutError)
			if err := child.Err(); err == nil || (err == context.DeadlineExceeded) != limited {
				t.Errorf("%v because of %v", err, context.Cause(child))
			}
		})
		cancel(nil)
	})
}

// The deadline is right by the wall clock as well, for whoever writes it down: that clock is set,
// and goes on while a machine sleeps.
func TestADeadlineIsOneOfTheWallClockToo(t *testing.T) {
	eachKind(t, func(t *testing.T, k kind) {
		if k.call.Stream {
			return // which has none to be seen
		}
		want := time.Now().Add(time.Second).Round(0)
		under(t.Context(), k, func(ctx context.Context) {
			time.Sleep(time.Second / 2)
			if got, ok := ctx.Deadline(); !ok || !got.Round(0).Equal(want) {
				t.Errorf("%v, %v; want %v", got, ok, want)
			}
		})
	})
}
