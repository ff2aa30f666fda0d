package limit_test

import (
	"errors"
	"runtime"
	"strconv"
	"testing"

	"github.com/holdfast-go/holdfast/limit"
)

// A million targets of an attacker's choosing cost bounded memory, and a target that has calls under
// way, or has lately taken tokens, keeps its own limit: no more and no less. Those of the attacker
// that find no room share one limit, and have never none.
func TestAMillionTargets(t *testing.T) {
	const most, size = 3, 100
	l := limit.NewInFlight(limit.InFlightOptions{Max: most, PerTarget: true, MaxTargets: size})
	r := limit.NewRate(limit.RateOptions{PerSecond: 1e-6, Burst: most, PerTarget: true, MaxTargets: size})
	defer enter(t, l, "good")()
	if err := r.Acquire(t.Context(), "good"); err != nil {
		t.Fatal(err)
	}
	held, tokens := 0, 0
	key := func(i int) string { return "https://" + strconv.Itoa(i) + ".example.com" }
	for i := range 2 * size { // holds what there is to be held
		if _, err := l.Acquire(t.Context(), key(i)); err == nil {
			held++
		}
		if r.Acquire(t.Context(), key(i)) == nil {
			tokens++
		}
	}
	if want := size - 1 + most; held != want || tokens != want {
		t.Errorf("the attacker has %d places and %d tokens, want %d: one of each of %d targets and %d that the others share", held, tokens, want, size-1, most)
	}
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before, many := heap(), 1_000_000
	if raceEnabled { // which makes each of them take 30 times as long
		many /= 50
	}
	for i := range many {
		if _, err := l.Acquire(t.Context(), key(i+size)); !errors.Is(err, limit.ErrLimited) {
			t.Fatalf("a late target: %v", err)
		}
		if i%1000 == 0 {
			leave, err := l.Acquire(t.Context(), "good")
			if err != nil {
				t.Fatalf("after %d targets: %v", i, err)
			}
			leave()
			_ = r.Acquire(t.Context(), key(i+size))
		}
	}
	if after := heap(); after > before+1<<20 {
		t.Errorf("%d bytes more than before", after-before)
	}
	for i := range most {
		if err := r.Acquire(t.Context(), "good"); (err == nil) != (i < most-1) {
			t.Errorf("token %d of %d: %v", i+2, most, err)
		}
	}
	if got := told(l); len(got) > 2*(size+1)+2 || got["limit_in_flight good"] != 1 || got["limit_in_flight other"] != most {
		t.Errorf("%d figures; %v in flight and %v in those that are shared", len(got), got["limit_in_flight good"], got["limit_in_flight other"])
	}
}
