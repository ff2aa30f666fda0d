package limit_test

import (
	"context"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/clock"
	"github.com/holdfast-go/holdfast/internal/pause"
	"github.com/holdfast-go/holdfast/limit"
)

// A wait in the queue is a limit of ours: a process that stood still meanwhile has not looked
// whether there is room by now. The times of this test are real, and bounded from below alone.
func TestAWaitForRoomIsExtendedByPauses(t *testing.T) {
	h := holdfast.Chain(limit.NewInFlight(limit.InFlightOptions{Max: 1, Queue: 1, Wait: 100 * time.Millisecond}))
	inside, leave, done := make(chan struct{}), make(chan struct{}), make(chan error)
	go func() {
		_, err := holdfast.Do(t.Context(), h, holdfast.Call{Target: "t"}, func(context.Context) (int, error) {
			close(inside)
			<-leave
			return 0, nil
		})
		done <- err
	}()
	<-inside
	time.AfterFunc(60*time.Millisecond, func() {
		now := clock.Now()
		pause.Note(now-int64(60*time.Millisecond), now)
	})
	start := time.Now()
	_, err := holdfast.Do(t.Context(), h, holdfast.Call{Target: "t"}, func(context.Context) (int, error) { return 0, nil })
	if took := time.Since(start); took < 155*time.Millisecond || err == nil {
		t.Errorf("%v after %v, want a rejection when this process has run for 100 ms", err, took)
	}
	close(leave)
	if err := <-done; err != nil {
		t.Error(err)
	}
}
