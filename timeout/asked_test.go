package timeout

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/clock"
	"github.com/holdfast-go/holdfast/internal/pause"
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

// Nor does it where it is only found out then that this process has stood still: here by whoever is
// asked whether the caller has given up. The times of this test are real.
func TestWhoAsksIsNotKeptByAPauseThatIsFoundMeanwhile(t *testing.T) {
	call := &holdfast.Call{Record: new(holdfast.Record)}
	parent := &finder{Context: context.Background()}
	c := &bounded{terms: terms{began: clock.Now() - int64(time.Second), limit: 30 * time.Second, unary: true, whole: true}, parent: parent, call: call}
	defer c.release()
	child, cancel := context.WithCancel(c)
	defer cancel()
	c.timer.timer.Stop()
	c.began = clock.Now() - int64(30*time.Second+time.Second/10) // a pause of half a second would move the end
	parent.asked, parent.pauses = 0, true
	if err := c.Err(); err != context.DeadlineExceeded || child.Err() != context.DeadlineExceeded || parent.asked != 1 {
		t.Errorf("%v, and %v beneath; the caller's was asked %d times, want once: it was waited for", err, child.Err(), parent.asked)
	}
}

// A finder finds a pause of half a second when it is asked, once.
type finder struct {
	context.Context
	pauses bool
	asked  int
}

func (f *finder) Err() error {
	if f.asked++; f.pauses {
		f.pauses = false
		now := clock.Now()
		pause.Note(now-int64(time.Second/2), now)
	}
	return nil
}

// Who asks when the timer has decided, and has not told yet, is told what it has decided.
func TestWhoAsksAsTheTimerRuns(t *testing.T) {
	eachKind(t, func(t *testing.T, k kind) {
		under(t.Context(), k, func(ctx context.Context) {
			c := ctx.(*bounded)
			child, cancel := context.WithCancel(ctx)
			defer cancel()
			c.timer.timer.Stop()
			time.Sleep(time.Second)
			if k.call.Unary {
				_ = (*root)(c).Err()
			} else {
				c.mu.Lock()
				_ = c.arm()
				c.mu.Unlock()
			}
			if err := ctx.Err(); err != context.DeadlineExceeded || child.Err() == nil {
				t.Errorf("%v, and beneath %v", err, child.Err())
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
