package hedge

import (
	"math/rand/v2"
	"testing"
	"time"
)

// Calls and hedges count for nineteen twentieths of ten seconds at least, and for ten seconds at most.
func TestT50_AShareIsOfTheLastTenSeconds(t *testing.T) {
	const begin = int64(1000 * shareWidth)
	for _, into := range []int64{0, int64(shareWidth) / 3, int64(shareWidth) - 1} {
		var s share
		s.call(begin + into)
		s.call(begin + into)
		if _, ok := s.take(0.5, begin+into); !ok {
			t.Fatal("two calls grant no hedge")
		}
		const last = begin + int64(10*time.Second) - 1
		if s.roll(last); s.calls != 2 || s.hedges != 1 {
			t.Errorf("%v and %v are kept to the end", s.calls, s.hedges)
		}
		if s.roll(last + 1); s.calls != 0 || s.hedges != 0 {
			t.Errorf("%v and %v are kept after ten seconds", s.calls, s.hedges)
		}
	}
}

// A share beside one that keeps every call and hedge, under any mixture of calls, hedges that are sent
// or given back, waits, and a clock that steps back a little.
func TestAShareBesideTheModel(t *testing.T) {
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 1))
		var s share
		var calls, hedges []int64 // by their buckets
		now, part := int64(rng.IntN(1<<40)), 0.05+rng.Float64()/2
		newest := now / int64(shareWidth)
		s.roll(now)
		count := func(of []int64) (n float64) {
			for _, at := range of {
				if newest-at < shareBuckets {
					n++
				}
			}
			return n
		}
		for step := range 5000 {
			op := rng.IntN(8)
			if op < 6 { // it sees the time
				s.roll(now)
				newest = max(newest, now/int64(shareWidth))
			}
			switch op {
			case 0, 1, 2:
				s.call(now)
				calls = append(calls, newest)
			case 3, 4:
				at, ok := s.take(part, now)
				if want := count(hedges)+1 <= part*count(calls); ok != want {
					t.Fatalf("seed %d, step %d: granted is %v, want %v", seed, step, ok, want)
				}
				if ok {
					hedges = append(hedges, newest)
					if at != newest {
						t.Fatalf("it counts in %d, want %d", at, newest)
					}
				}
			case 5:
				if i := len(hedges); i > 0 { // one of the last ones, which may be forgotten by now
					i -= 1 + rng.IntN(min(i, 3))
					s.giveBack(part, hedges[i], now)
					hedges = append(hedges[:i], hedges[i+1:]...)
				}
			case 6:
				now += int64(rng.ExpFloat64() * float64(rng.IntN(2000)) * float64(time.Millisecond))
			default:
				now -= rng.Int64N(int64(shareWidth))
			}
		}
		newest = max(newest, now/int64(shareWidth))
		if s.roll(now); s.calls != count(calls) || s.hedges != count(hedges) {
			t.Fatalf("seed %d: %v calls and %v hedges, want %v and %v", seed, s.calls, s.hedges, count(calls), count(hedges))
		}
	}
}

// Without a bound nothing is counted, and nothing given back.
func TestAShareThatIsOffCountsNothing(t *testing.T) {
	var s share
	for range 10 {
		if at, ok := s.take(-1, 1); !ok {
			t.Fatal("refused")
		} else {
			s.giveBack(-1, at, 1)
		}
	}
	if s.hedges != 0 {
		t.Errorf("%v hedges", s.hedges)
	}
}
