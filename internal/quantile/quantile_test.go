package quantile

import (
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast/internal/clock"
)

// exact is the model: the smallest duration that the part q does not exceed.
func exact(ds []time.Duration, q float64) time.Duration {
	sorted := slices.Sorted(slices.Values(ds))
	rank := int(math.Ceil(min(max(q, 0), 1) * float64(len(ds))))
	return sorted[max(rank, 1)-1]
}

func near(got, want time.Duration) bool {
	return (got - want).Abs() <= max(time.Duration(float64(want)*0.032), 33)
}

func TestQuantileIsNearTheTrueOne(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	shapes := map[string]func() time.Duration{
		"uniform":     func() time.Duration { return time.Duration(r.Int64N(int64(time.Second))) },
		"exponential": func() time.Duration { return time.Duration(r.ExpFloat64() * float64(10*time.Millisecond)) },
		"log-normal":  func() time.Duration { return time.Duration(math.Exp(r.NormFloat64()*2) * float64(time.Millisecond)) },
		"constant":    func() time.Duration { return 42 * time.Millisecond },
		"two humps": func() time.Duration {
			if r.IntN(50) == 0 {
				return 5 * time.Second
			}
			return 3 * time.Millisecond
		},
	}
	for name, draw := range shapes {
		t.Run(name, func(t *testing.T) {
			w, now := New(time.Minute), time.Now()
			var ds []time.Duration
			for range 20_000 {
				d := draw()
				ds = append(ds, d)
				w.Observe(clock.At(now), d)
			}
			for _, q := range []float64{0, 0.01, 0.5, 0.9, 0.95, 0.99, 0.999, 1} {
				got, n := w.Quantile(clock.At(now), q)
				if want := exact(ds, q); n != len(ds) || !near(got, want) {
					t.Errorf("quantile %v of %d is %v, want about %v of %d", q, n, got, want, len(ds))
				}
			}
		})
	}
}

func TestBucketsCoverEveryDuration(t *testing.T) {
	last := -1
	for d := time.Duration(1); d > 0 && d < 1<<41; d += d/40 + 1 {
		b := bucket(d)
		if b < last || b >= buckets {
			t.Fatalf("%v is in bucket %d after %d", d, b, last)
		}
		if !near(middle(b), d) {
			t.Fatalf("%v is in bucket %d, whose middle is %v", d, b, middle(b))
		}
		last = b
	}
	for b := range buckets {
		if got := bucket(middle(b)); got != b {
			t.Errorf("the middle of bucket %d is in bucket %d", b, got)
		}
	}
	for d, want := range map[time.Duration]int{0: 0, -1: 0, math.MinInt64: 0, math.MaxInt64: buckets - 1, 1 << 42: buckets - 1} {
		if got := bucket(d); got != want {
			t.Errorf("%d is in bucket %d, want %d", d, got, want)
		}
	}
}

func TestOldDurationsAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := New(time.Minute)
		at := func() (time.Duration, int) { return w.Quantile(clock.At(time.Now()), 0.5) }
		if d, n := at(); d != 0 || n != 0 {
			t.Errorf("an empty window says %v of %d", d, n)
		}
		for range 10 {
			w.Observe(clock.At(time.Now()), time.Second)
		}
		time.Sleep(31 * time.Second) // the second half
		for range 30 {
			w.Observe(clock.At(time.Now()), time.Millisecond)
		}
		if d, n := at(); n != 40 || !near(d, time.Millisecond) {
			t.Errorf("%v of %d, want 1ms of both halves' 40", d, n)
		}
		time.Sleep(30 * time.Second) // the first half is forgotten, even before anything is observed
		if d, n := at(); n != 30 || !near(d, time.Millisecond) {
			t.Errorf("%v of %d, want 1ms of the newer half's 30", d, n)
		}
		w.Observe(clock.At(time.Now()), time.Millisecond)
		w.Observe(clock.At(time.Now().Add(-time.Minute)), time.Hour) // of a half that is gone
		time.Sleep(time.Second)
		if _, n := at(); n != 31 {
			t.Errorf("%d durations, want 31", n)
		}
		time.Sleep(time.Hour)
		if d, n := at(); d != 0 || n != 0 {
			t.Errorf("after an hour of silence it says %v of %d", d, n)
		}
	})
}

func TestAReadingIsKeptForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := New(128 * time.Second)
		w.Observe(clock.At(time.Now()), time.Second)
		w.Quantile(clock.At(time.Now()), 0.5)
		w.Observe(clock.At(time.Now()), time.Second)
		time.Sleep(time.Second - 1)
		if _, n := w.Quantile(clock.At(time.Now()), 0.5); n != 1 {
			t.Errorf("read anew too soon: %d", n)
		}
		if _, n := w.Quantile(clock.At(time.Now()), 0.9); n != 2 {
			t.Errorf("another quantile was not read anew: %d", n)
		}
		w.Observe(clock.At(time.Now()), time.Second)
		time.Sleep(time.Second)
		if _, n := w.Quantile(clock.At(time.Now()), 0.9); n != 3 {
			t.Errorf("not read anew in time: %d", n)
		}
	})
}

func TestAbsurdArguments(t *testing.T) {
	for _, span := range []time.Duration{0, -1, 1, math.MaxInt64, math.MinInt64} {
		w := New(span)
		now := time.Now()
		for _, at := range []time.Time{now, {}, now.Add(math.MaxInt64), now.Add(math.MinInt64)} {
			w.Observe(clock.At(at), time.Second)
			for _, q := range []float64{math.NaN(), math.Inf(1), math.Inf(-1), -1, 2} {
				w.Quantile(clock.At(at), q)
			}
		}
	}
}

func TestManyObserveAtOnce(t *testing.T) {
	w, now := New(time.Minute), time.Now()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 1000 {
				w.Observe(clock.At(now), time.Millisecond)
				w.Quantile(clock.At(now), 0.5)
			}
		})
	}
	wg.Wait()
	if _, n := w.Quantile(clock.At(now), 0.1); n != 8000 {
		t.Errorf("%d durations, want 8000", n)
	}
}

func TestObserveAllocatesNothing(t *testing.T) {
	w, now := New(time.Minute), time.Now()
	if n := testing.AllocsPerRun(1000, func() { w.Observe(clock.At(now), time.Millisecond); w.Quantile(clock.At(now), 0.99) }); n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}

// FuzzQuantile holds a Window against a sorted slice: each two bytes are a step
// in time and a duration.
func FuzzQuantile(f *testing.F) {
	f.Add([]byte{0, 1, 0, 2, 200, 3, 0, 255}, 0.5)
	f.Add([]byte{255, 255, 255, 0, 1, 1}, 0.99)
	f.Fuzz(func(t *testing.T, steps []byte, q float64) {
		if q != q {
			return
		}
		const span = 200 * time.Second
		w := New(span)
		type seen struct {
			turn int64
			d    time.Duration
		}
		var all []seen
		now := w.seen.Load().epoch
		for i := 0; i+1 < len(steps); i += 2 {
			now += int64(steps[i]) * int64(time.Second)
			d := time.Duration(math.Exp(float64(steps[i+1]) / 10))
			w.Observe(now, d)
			all = append(all, seen{(now - w.seen.Load().epoch) / int64(span/2), d})
		}
		var kept []time.Duration
		for _, s := range all {
			if s.turn >= all[len(all)-1].turn-1 {
				kept = append(kept, s.d)
			}
		}
		got, n := w.Quantile(now, q)
		if n != len(kept) {
			t.Fatalf("%d durations, want %d", n, len(kept))
		}
		if n > 0 && !near(got, exact(kept, q)) {
			t.Fatalf("quantile %v of %v is %v, want about %v", q, kept, got, exact(kept, q))
		}
	})
}

func BenchmarkObserve(b *testing.B) {
	w, now := New(time.Minute), time.Now()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for d := time.Duration(1000); pb.Next(); d = d*5/4 + 1 {
			if d > time.Second {
				d = 1000
			}
			w.Observe(clock.At(now), d)
		}
	})
}

func BenchmarkQuantile(b *testing.B) {
	w, now := New(time.Minute), time.Now()
	w.Observe(clock.At(now), time.Millisecond)
	b.Run("kept", func(b *testing.B) {
		for b.Loop() {
			w.Quantile(clock.At(now), 0.99)
		}
	})
	b.Run("read", func(b *testing.B) {
		for b.Loop() {
			w.seen.Load().read(1, 0.99)
		}
	})
}

// Another span keeps what is known, a newer half as the newer one, and forgets as it says.
func TestAnotherSpanKeepsWhatIsKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		see := func(w *Window, d time.Duration) {
			for range 10 {
				w.Observe(clock.Now(), d)
			}
		}
		known := func(w *Window) int { _, n := w.Quantile(clock.Now(), 0.5); return n }
		for _, span := range []time.Duration{time.Second, time.Hour} {
			w := New(time.Minute)
			w.Resize(span) // with nothing in it
			w.Resize(time.Minute)
			time.Sleep(31 * time.Second)
			see(w, time.Second)
			time.Sleep(30 * time.Second)
			see(w, time.Millisecond)
			w.Resize(span)
			if n := known(w); n != 20 {
				t.Errorf("%v: %d are known, want 20", span, n)
			}
			time.Sleep(span / 2)
			if n := known(w); n != 10 {
				t.Errorf("%v: %d are known half of it later, want the newer 10", span, n)
			}
			see(w, time.Second)
			time.Sleep(span / 2)
			if n := known(w); n != 10 {
				t.Errorf("%v: %d are known after that, want 10", span, n)
			}
			time.Sleep(span)
			if n := known(w); n != 0 {
				t.Errorf("%v: %d are known in the end", span, n)
			}
		}
	})
}

func TestResizeWhileOthersUseIt(t *testing.T) {
	w := New(time.Minute)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 1000 {
				w.Observe(clock.Now(), time.Second)
				w.Quantile(clock.Now(), 0.5)
			}
		})
	}
	for i := range 100 {
		w.Resize(time.Duration(i+1) * time.Minute)
	}
	wg.Wait()
}
