package timeout_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/timeout"
)

// A bubble whose clock was moved to today, as a test of certificates does, is one all the same: its
// timers do not leave it, and none enters it.
func TestTimersStayInTheirBubbles(t *testing.T) {
	today := time.Now().Add(time.Hour)
	h := holdfast.Chain(timeout.New(timeout.Options{Limit: time.Second}))
	call := func() {
		_, _ = holdfast.Do(context.Background(), h, holdfast.Call{Target: "t"}, func(ctx context.Context) (int, error) {
			select {
			case <-ctx.Done():
			case <-time.After(10 * time.Millisecond):
			}
			return 0, ctx.Err()
		})
	}
	for range 3 {
		synctest.Test(t, func(*testing.T) {
			time.Sleep(time.Until(today))
			call()
		})
		<-time.After(30 * time.Millisecond)
		call()
	}
}
