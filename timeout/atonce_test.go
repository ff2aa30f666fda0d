package timeout_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/timeout"
)

// Of several changes at once one is in force, for all targets: what they took is remembered of all, or
// of none.
func TestWithAtOnceLeavesOneWindow(t *testing.T) {
	const targets = 50
	for range 40 {
		synctest.Test(t, func(t *testing.T) {
			p := timeout.New(timeout.Options{Limit: time.Second, Adaptive: &timeout.Adaptive{MinSamples: 1}})
			h := holdfast.Chain(p)
			for i := range targets {
				_, _ = holdfast.Do(t.Context(), h, holdfast.Call{Target: fmt.Sprint(i)}, func(context.Context) (int, error) { return 0, nil })
			}
			var wg sync.WaitGroup
			for _, window := range []time.Duration{time.Minute, time.Hour, time.Minute, time.Hour} {
				wg.Go(func() {
					p.With(timeout.Options{Limit: time.Second, Adaptive: &timeout.Adaptive{MinSamples: 1, Window: window}})
				})
			}
			wg.Wait()
			time.Sleep(20 * time.Minute)
			known := 0
			for i := range targets {
				if p.Limit(fmt.Sprint(i)) < time.Second {
					known++
				}
			}
			if known != 0 && known != targets {
				t.Fatalf("%d of %d are known", known, targets)
			}
		})
	}
}
