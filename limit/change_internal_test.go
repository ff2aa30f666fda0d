package limit

import (
	"fmt"
	"sync"
	"testing"
	"time"
)

// Several may change one limit at once, under calls: then the options of one of them are in force
// everywhere, and nobody is left waiting or counted.
func TestChangesAtOnceLeaveOneInForce(t *testing.T) {
	rate := NewRate(RateOptions{PerSecond: 1000, Wait: time.Hour, Queue: 100, PerTarget: true})
	inFlight := NewInFlight(InFlightOptions{Max: 1, Wait: time.Hour, Queue: 100, PerTarget: true})
	for i := range 50 { // which each change takes a while to go through
		_ = rate.Acquire(t.Context(), fmt.Sprint(i))
	}
	for round := range 300 {
		var wg sync.WaitGroup
		for i := range 4 {
			n := 2000 + 4*round + i
			wg.Go(func() { rate.With(RateOptions{PerSecond: float64(n), Burst: n, MaxTargets: n, PerTarget: true}) })
			wg.Go(func() { inFlight.With(InFlightOptions{Max: n % 8, MaxTargets: n, PerTarget: true}) })
			wg.Go(func() {
				target := fmt.Sprint("target ", n%3+round)
				if err := rate.Acquire(t.Context(), target); err != nil {
					t.Error(err)
				}
				release, err := inFlight.Acquire(t.Context(), target)
				if err != nil {
					t.Error(err)
				}
				release()
			})
		}
		wg.Wait()
		o := rate.s.latest.Load()
		if float64(o.Burst) != o.PerSecond || rate.s.buckets.Max != o.Burst {
			t.Fatalf("%+v, and the table is of %d", o, rate.s.buckets.Max)
		}
		rate.s.buckets.Each(func(target string, b *bucket) bool {
			if b.tokens.Limit() != o.limit() || b.tokens.Burst() != o.Burst {
				t.Errorf("%s has %v and %d, want %+v", target, b.tokens.Limit(), b.tokens.Burst(), o)
			}
			return true
		})
		inFlight.rooms.table.Each(func(target string, r *room) bool {
			if s := r.stats(); s.InFlight != 0 || s.Waiting != 0 {
				t.Errorf("%s: %+v are left", target, s)
			}
			return true
		})
		if most, size := inFlight.rooms.most.Load(), inFlight.rooms.table.Max; most != int64(size%8) && (size%8 != 0 || most != 1000) {
			t.Errorf("a limit of %d, and a table of %d", most, size)
		}
	}
}

// The same for what is changed in a moment.
func TestChangesOfAnInFlightAtOnce(t *testing.T) {
	l := NewInFlight(InFlightOptions{PerTarget: true})
	for range 3000 {
		var wg sync.WaitGroup
		for n := range 4 {
			wg.Go(func() { l.With(InFlightOptions{Max: n + 1, MaxTargets: n + 1, PerTarget: true}) })
		}
		wg.Wait()
		if most, size := l.rooms.most.Load(), l.rooms.table.Max; most != int64(size) {
			t.Fatalf("a limit of %d, and a table of %d", most, size)
		}
	}
}
