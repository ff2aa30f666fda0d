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

// Of several that wait for the place of one outer call the first asks for it when it is back, and the next
// when that one has left the queue, however it has.
func TestOneAfterTheOtherAsksForAPlaceThatIsBack(t *testing.T) {
	l := NewInFlight(InFlightOptions{Max: 1, Wait: time.Hour, Queue: 10})
	r, free, other := l.rooms.all, make(chan struct{}), make(chan struct{})
	leave, err := l.Acquire(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	var waiters []*waiter
	for _, back := range []<-chan struct{}{other, free, nil, free, free, free} {
		w, _ := r.enter(&l.o, "a", back)
		waiters = append(waiters, w)
	}
	first, second, third, last := waiters[1], waiters[3], waiters[4], waiters[5]
	if !waiters[0].first() || !first.first() || second.first() || third.first() {
		t.Error("others than the first ask")
	}
	first.quit()
	if len(second.ask) != 1 || len(third.ask)+len(waiters[0].ask)+len(waiters[2].ask) != 0 || !second.first() {
		t.Error("the second is not told, or others are")
	}
	waiters[0].quit()
	waiters[2].quit()
	leave() // which lets in the second
	if second.at != nil || len(third.ask) != 1 || len(last.ask) != 0 {
		t.Error("the third is not told, or the last is")
	}
	third.quit()
	last.quit()
	second.quit()
	if s := l.Stats("a"); s.InFlight != 0 || s.Waiting != 0 {
		t.Errorf("%+v are left", s)
	}
}
