package hedge_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/hedge"
	"github.com/holdfast-go/holdfast/retry"
)

// Each attempt of a call that was hedged is in its ledger once, with what it came to itself and how
// long it took, whichever of them the call has its outcome from, and with a retry around it or not.
// A call that was not hedged leaves the first one to those further out.
func TestTheLedgerHasEachAttemptOfAHedgedCall(t *testing.T) {
	const ms = time.Millisecond
	refused := holdfast.Mark(errDown, holdfast.Refused, holdfast.Never)
	type line struct {
		class holdfast.Class
		took  time.Duration
	}
	for name, c := range map[string]struct {
		attempts []attempt
		want     []line
	}{
		"the hedge fails last":     {[]attempt{{50 * ms, refused}, {300 * ms, errDown}}, []line{{holdfast.Refused, 50 * ms}, {holdfast.Failure, 300 * ms}}},
		"the first fails last":     {[]attempt{{500 * ms, errDown}, {300 * ms, refused}}, []line{{holdfast.Failure, 500 * ms}, {holdfast.Refused, 300 * ms}}},
		"the hedge wins":           {[]attempt{{time.Hour, nil}, {20 * ms, nil}}, []line{{holdfast.Ignored, 30 * ms}, {holdfast.Success, 20 * ms}}},
		"the first wins":           {[]attempt{{50 * ms, nil}, {time.Hour, nil}}, []line{{holdfast.Success, 50 * ms}, {holdfast.Ignored, 40 * ms}}},
		"the first wins at once":   {[]attempt{{5 * ms, nil}}, nil},
		"it wins as one is due":    {[]attempt{{9 * ms, nil}}, nil},
		"the hedge fails, is beat": {[]attempt{{50 * ms, nil}, {5 * ms, errDown}}, []line{{holdfast.Success, 50 * ms}, {holdfast.Failure, 5 * ms}}},
	} {
		for _, outer := range []holdfast.Policy{nil, retry.New(retry.Options{MaxAttempts: -1}), retry.New(retry.Options{MaxAttempts: 2, Codes: []holdfast.Code{"none"}})} {
			synctest.Test(t, func(t *testing.T) {
				var record *holdfast.Record
				see := holdfast.PolicyFunc(func(next holdfast.Handler) holdfast.Handler {
					return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
						record = call.Record
						return next(ctx, call)
					}
				})
				start := time.Now()
				_, _, _ = do(t, get, holdfast.Chain(see, outer, fixed(hedge.Options{})), c.attempts...)
				got := record.Ledger().Attempts
				if len(got) != len(c.want) {
					t.Fatalf("%s: %+v", name, got)
				}
				for i, a := range got {
					begin := start.Add(time.Duration(i) * delay)
					if a.Number != i+1 || a.Hedge != (i > 0) || (line{a.Class, a.Took}) != c.want[i] || !a.Start.Equal(begin) {
						t.Errorf("%s: attempt %d is %+v, want %+v from %v", name, i+1, a, c.want[i], begin)
					}
				}
			})
		}
	}
}
