package limit_test

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast/limit"
)

// Who waits in what late targets share gets a room of its own as soon as another target has made room,
// in turn with those who wait for the same target; and so it does where that has got one otherwise.
func TestAWaiterGetsARoomOfItsOwnWhenThereIsOne(t *testing.T) {
	const long = "a target with a name that is longer than what is kept of it, and of which a hash is kept" // many times
	for name, target := range map[string]string{"a target": "b", "a long one": strings.Repeat(long, 10)} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := limit.NewInFlight(limit.InFlightOptions{Max: 1, Wait: 10 * time.Second, Queue: 100, PerTarget: true, MaxTargets: 1})
				early := enter(t, l, "early")
				defer enter(t, l, "stream")() // among the late ones, for good
				start := time.Now()
				var wg sync.WaitGroup
				for i := range 4 {
					wg.Go(func() {
						if i == 3 {
							time.Sleep(1500 * ms) // comes when its target has a room of its own
						}
						leave := enter(t, l, target)
						if took, want := time.Since(start), time.Duration(1+i)*time.Second; took != want {
							t.Errorf("the %d-th is let in after %v, want %v", i, took, want)
						}
						time.Sleep(time.Second)
						leave()
					})
					synctest.Wait()
				}
				time.Sleep(time.Second)
				early()
				wg.Wait()
				if got := told(l); got["table_full_total "] != 4 || got["limit_waiting other"] != 0 {
					t.Errorf("%v, want one late stream and three late calls", got)
				}
			})
		})
	}
}

// However many targets there are: the one that has made room is found.
func TestAWaiterFindsTheRoomThatWasMade(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const targets = 200
		l := limit.NewInFlight(limit.InFlightOptions{Max: 1, Wait: time.Hour, Queue: 1000, PerTarget: true, MaxTargets: targets})
		var leaves []func()
		for i := range targets {
			leaves = append(leaves, enter(t, l, fmt.Sprint(i)))
		}
		defer enter(t, l, "stream")()
		var let atomic.Int64
		var wg sync.WaitGroup
		for i := range targets {
			wg.Go(func() {
				_ = enter(t, l, fmt.Sprint("late ", i)) // stays
				let.Add(1)
			})
		}
		for i := range targets {
			leaves[i*77%targets]()
			if synctest.Wait(); let.Load() != int64(i+1) {
				t.Fatalf("%d are let in, and %d have left", let.Load(), i+1)
			}
		}
		wg.Wait()
	})
}

// A target that has calls under way among strangers gets no room of its own; those behind it do.
func TestATargetInUseAmongStrangersMakesRoomForThoseBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := limit.NewInFlight(limit.InFlightOptions{Max: 2, Wait: time.Hour, Queue: 10, PerTarget: true, MaxTargets: 2})
		early, other := enter(t, l, "early"), enter(t, l, "other")
		busy := enter(t, l, "busy")
		defer enter(t, l, "stream")()
		var mu sync.Mutex
		var let []string
		var wg sync.WaitGroup
		for _, who := range []string{"stream", "busy", "late"} {
			wg.Go(func() {
				leave := enter(t, l, who)
				mu.Lock()
				let = append(let, who)
				mu.Unlock()
				time.Sleep(time.Second)
				leave()
			})
			synctest.Wait()
		}
		early()
		if synctest.Wait(); !slices.Equal(let, []string{"late"}) {
			t.Errorf("%q are let in", let)
		}
		other() // and nobody can have that room yet
		if synctest.Wait(); len(let) != 1 {
			t.Errorf("%q are let in", let)
		}
		busy() // lets in the stream's second call; busy has nothing there any more
		if synctest.Wait(); !slices.Equal(let, []string{"late", "stream", "busy"}) && !slices.Equal(let, []string{"late", "busy", "stream"}) {
			t.Errorf("%q are let in", let)
		}
		wg.Wait()
		if got := told(l); got["limit_in_flight other"] != 1 || got["limit_waiting other"] != 0 {
			t.Errorf("%v", got)
		}
	})
}

// Calls to more targets than have rooms come and go at once, and wait: none is beyond the limit of its
// target, and none is left waiting.
func TestLateTargetsAtOnce(t *testing.T) {
	const most, targets = 2, 6
	l := limit.NewInFlight(limit.InFlightOptions{Max: most, Wait: time.Hour, Queue: 1000, PerTarget: true, MaxTargets: 3})
	var inside [targets]atomic.Int64
	var wg sync.WaitGroup
	for worker := range 24 {
		wg.Go(func() {
			for i := range 2000 {
				n := (worker + i*i) % targets
				leave, err := l.Acquire(t.Context(), fmt.Sprint(n))
				if err != nil {
					t.Error(err)
					return
				}
				if got := inside[n].Add(1); got > most {
					t.Errorf("%d calls to one target are under way", got)
				}
				if i%8 == 0 {
					runtime.Gosched()
				}
				inside[n].Add(-1)
				leave()
			}
		})
	}
	wg.Wait()
	for name, value := range told(l) {
		if value != 0 && (strings.HasPrefix(name, "limit_in_flight") || strings.HasPrefix(name, "limit_waiting")) {
			t.Errorf("%s: %v", name, value)
		}
	}
}
