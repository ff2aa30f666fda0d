package limit_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/limit"
)

// A call within a call shares the place of that one in the same limit: it neither waits for itself,
// nor takes the place of somebody else.
func TestACallWithinACallSharesItsPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := limit.NewInFlight(limit.InFlightOptions{Max: 1, Wait: time.Minute, Queue: 10, PerTarget: true})
		h := holdfast.Chain(l)
		start := time.Now()
		_, err := holdfast.Do(t.Context(), h, holdfast.Call{Target: "a"}, func(ctx context.Context) (int, error) {
			for range 3 {
				if _, err := holdfast.Do(ctx, h, holdfast.Call{Target: "a"}, func(ctx context.Context) (int, error) {
					if s := l.Stats("a"); s.InFlight != 1 || s.Waiting != 0 {
						t.Errorf("%+v, want the outer call's place alone", s)
					}
					_, err := holdfast.Do(ctx, h, holdfast.Call{Target: "b"}, func(context.Context) (int, error) {
						if s := l.Stats("b"); s.InFlight != 1 {
							t.Errorf("another target: %+v, want a place of its own", s)
						}
						return 0, nil
					})
					return 0, err
				}); err != nil {
					return 0, err
				}
			}
			return 0, nil
		})
		if err != nil || time.Since(start) != 0 {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		if s := l.Stats("a"); s.InFlight != 0 {
			t.Errorf("%+v is left", s)
		}
	})
}

// Two at once do not share one place: the second waits for it, as a call of its own does.
func TestTwoCallsWithinACallDoNotShareAPlaceAtOnce(t *testing.T) {
	l := limit.NewInFlight(limit.InFlightOptions{Max: 1})
	h := holdfast.Chain(l)
	var second error
	_, err := holdfast.Do(t.Context(), h, holdfast.Call{Target: "a"}, func(ctx context.Context) (int, error) {
		return holdfast.Do(ctx, h, holdfast.Call{Target: "a"}, func(context.Context) (int, error) {
			_, second = holdfast.Do(ctx, h, holdfast.Call{Target: "a"}, func(context.Context) (int, error) { return 0, nil }) // by the outer call's context
			return 0, nil
		})
	})
	if err != nil || !errors.Is(second, limit.ErrLimited) {
		t.Errorf("%v; the second: %v, want no room", err, second)
	}
}
