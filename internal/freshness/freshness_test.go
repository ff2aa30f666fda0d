package freshness_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast/internal/freshness"
)

// Where there has never been an endpoint, it is stale since the beginning, whatever the answers are;
// where there were some, since the first answer that does not count.
func TestHowLongItIsStale(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := freshness.New()
		answer := func(endpoints int, err error, want float64) {
			t.Helper()
			_, _ = s.Answered("x", endpoints, err)
			for _, f := range s.Figures() {
				if f.Name == "discovery_stale_seconds" && f.Value != want {
					t.Errorf("%v s, want %v", f.Value, want)
				}
			}
			time.Sleep(time.Minute)
		}
		down := errors.New("down")
		answer(0, nil, 0)
		answer(0, down, 60)
		answer(0, nil, 120)
		answer(2, nil, 0)
		answer(0, nil, 0)
		answer(0, down, 60)
		answer(1, nil, 0)
	})
}
