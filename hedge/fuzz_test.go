package hedge_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/hedge"
)

// FuzzHedge runs one call whose attempts take and come to what the bytes say against
// the rule: an attempt begins a delay after the one before, unless the call is over
// or the first has failed; the first success wins; with none the call ends with the
// last failure.
func FuzzHedge(f *testing.F) {
	f.Add([]byte{30, 0, 30, 0, 30, 0, 30, 0})
	f.Add([]byte{200, 1, 5, 1, 40, 0, 1, 1})
	f.Add([]byte{15, 1, 80, 0, 3, 0, 90, 1})
	f.Fuzz(func(t *testing.T, plan []byte) {
		const attempts = 4
		if len(plan) < 2*attempts {
			return
		}
		synctest.Test(t, func(t *testing.T) {
			took := func(i int) time.Duration {
				return time.Duration(plan[2*i])*time.Millisecond + time.Duration(i)*time.Microsecond + 300
			}
			fails := func(i int) bool { return plan[2*i+1]%2 == 1 }
			// The model: when each would begin and end.
			wantEnd, wantOK, wantBy := time.Duration(0), false, 0
			begun := 1
			begin := []time.Duration{0}
			for begun < attempts {
				at := begin[begun-1] + delay
				if firstFailed := fails(0) && took(0) <= at; firstFailed {
					break
				}
				over := false
				for i := range begun {
					over = over || !fails(i) && begin[i]+took(i) <= at
				}
				if over {
					break
				}
				begin = append(begin, at)
				begun++
			}
			for i := range begun {
				end := begin[i] + took(i)
				switch {
				case !fails(i) && (!wantOK || end < wantEnd):
					wantOK, wantEnd, wantBy = true, end, i+1
				case !wantOK:
					wantEnd = max(wantEnd, end)
				}
			}
			h := holdfast.Chain(hedge.New(hedge.Options{Delay: delay, Share: -1, MaxHedges: attempts - 1, MinAttempt: -1}))
			start := time.Now()
			by, err := holdfast.Do(t.Context(), h, get, func(ctx context.Context) (int, error) {
				n := holdfast.CallFrom(ctx).Attempt
				timer := time.NewTimer(took(n - 1))
				defer timer.Stop()
				select {
				case <-timer.C:
				case <-ctx.Done():
					return 0, context.Cause(ctx)
				}
				if fails(n - 1) {
					return 0, errDown
				}
				return n, nil
			})
			if end := time.Since(start); (err == nil) != wantOK || end != wantEnd || by != wantBy || err != nil && !errors.Is(err, errDown) {
				t.Fatalf("%v: attempt %d, %v after %v; want attempt %d, success %v after %v", plan[:2*attempts], by, err, end, wantBy, wantOK, wantEnd)
			}
		})
	})
}
