package quantile

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast/internal/clock"
)

// Changes that come more often than a half is long do not keep what is old.
func TestResizesDoNotKeepThePast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := New(10 * time.Second)
		for range 100 {
			w.Observe(clock.Now(), time.Hour)
		}
		for i := range 100 {
			time.Sleep(4 * time.Second)
			w.Resize(10*time.Second + time.Duration(i%2)*time.Second)
		}
		if d, n := w.Quantile(clock.Now(), 0.5); n != 0 {
			t.Errorf("%v of %d, from long ago", d, n)
		}
	})
}
