package timeout

import (
	"context"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast/internal/clock"
	"github.com/holdfast-go/holdfast/internal/pause"
)

// What is left for a call within a limit that was extended is no more than the caller has.
func TestWhatIsLeftIsNoMoreThanTheCallerHas(t *testing.T) {
	for name, theirs := range map[string]time.Duration{"the limit is nearer": 2 * time.Minute, "the caller is": 59*time.Second + time.Second/10} {
		parent, cancel := context.WithTimeout(t.Context(), theirs)
		defer cancel()
		c := &bounded{terms: terms{began: clock.Now() - int64(time.Second), limit: time.Minute, unary: true, whole: true}, parent: parent}
		now := clock.Now()
		pause.Note(now-int64(time.Second/2), now) // so that it ends in 59.5 s
		least, most := 59*time.Second+time.Second/3, time.Minute
		if theirs < time.Minute {
			least, most = 0, theirs
		}
		if got := left(c, now); got < least || got > most {
			t.Errorf("%s: %v are left, want between %v and %v", name, got, least, most)
		}
	}
}
