package prometheus_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/holdfasttest"
	holdprom "github.com/holdfast-go/holdfast/observe/prometheus"
)

func write(t *testing.T, c prometheus.Collector) *dto.Histogram {
	t.Helper()
	ch := make(chan prometheus.Metric, 1)
	c.Collect(ch)
	var out dto.Metric
	if err := (<-ch).Write(&out); err != nil {
		t.Fatal(err)
	}
	return out.GetHistogram()
}

// native returns the native buckets, counted.
func native(h *dto.Histogram) map[int32]int64 {
	buckets := map[int32]int64{}
	at, n, i := int32(0), int64(0), 0
	for _, s := range h.GetPositiveSpan() {
		at += s.GetOffset()
		for range s.GetLength() {
			n += h.GetPositiveDelta()[i]
			if n > 0 {
				buckets[at] = n
			}
			at++
			i++
		}
	}
	return buckets
}

// Ours counts as the library's does: every bucket, classic and native, near the bounds
// too.
func TestHistogramsCountAsTheLibrarysDo(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, c := range []struct {
		buckets []float64
		growth  float64
	}{
		{[]float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30}, 1.1},
		{[]float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30}, 1},
		{[]float64{}, 1.003}, {[]float64{}, 2}, {[]float64{0, .3}, 1.5}, {[]float64{-1, 1, 1.0001, 1.0002, math.Inf(1)}, 4}, {[]float64{1e-9, 1e12}, 100}, {[]float64{.5}, 1e9}, {[]float64{.5}, 1e20}, {[]float64{.5}, 1.0001}, {[]float64{.0157, .0163, 1.001, 1.003}, 1.1},
	} {
		ours, err := holdprom.NewHistogram(c.buckets, c.growth)
		if err != nil {
			t.Fatal(err)
		}
		o := prometheus.HistogramOpts{Name: "theirs", Help: "Theirs.", Buckets: c.buckets}
		if c.growth > 1 {
			o.NativeHistogramBucketFactor, o.NativeHistogramZeroThreshold = c.growth, write(t, ours).GetZeroThreshold()
		}
		theirs := prometheus.NewHistogram(o)
		see := func(d time.Duration) {
			ours.Observe(d)
			theirs.Observe(d.Seconds())
		}
		for range 20_000 {
			see(time.Duration(math.Exp2(random.Float64() * 52)))
		}
		for _, b := range c.buckets {
			if ns := math.Round(b * 1e9); ns >= 0 && ns < 1e18 {
				for d := range time.Duration(3) {
					see(max(time.Duration(ns)-1+d, 0))
				}
			}
		}
		for power := range 44 {
			d := time.Duration(1e9 * math.Exp2(float64(power-20))) // which are seconds exactly, with a nanosecond more and less as well
			see(d)
			see(d + 1)
			see(d - 1)
		}
		a, b := write(t, ours), write(t, theirs)
		if a.GetSampleCount() != b.GetSampleCount() || math.Abs(a.GetSampleSum()/b.GetSampleSum()-1) > 1e-9 || a.GetZeroCount() != b.GetZeroCount() ||
			a.GetZeroThreshold() > 0x1p-20 || a.GetSchema() != b.GetSchema() || (a.Schema == nil) != (c.growth <= 1) || a.GetCreatedTimestamp() == nil {
			t.Errorf("%v, %v: %v of %v, around zero %v, schema %v; theirs %v of %v, %v, %v", c.buckets, c.growth, a.GetSampleCount(), a.GetSampleSum(), a.GetZeroCount(), a.GetSchema(),
				b.GetSampleCount(), b.GetSampleSum(), b.GetZeroCount(), b.GetSchema())
		}
		want := native(b)
		for bucket, n := range native(a) {
			if want[bucket] != n {
				t.Fatalf("%v, %v: %d in native bucket %d, theirs %d", c.buckets, c.growth, n, bucket, want[bucket])
			}
			delete(want, bucket)
		}
		if len(want) > 0 {
			t.Fatalf("%v, %v: theirs has %d buckets more", c.buckets, c.growth, len(want))
		}
		if len(a.GetBucket()) != len(b.GetBucket()) {
			t.Fatalf("%v, %v: %v, theirs %v", c.buckets, c.growth, a.GetBucket(), b.GetBucket())
		}
		for i, bucket := range a.GetBucket() {
			if theirs := b.GetBucket()[i]; bucket.GetCumulativeCount() != theirs.GetCumulativeCount() || bucket.GetUpperBound() != theirs.GetUpperBound() {
				t.Errorf("%v, %v: %v, theirs %v", c.buckets, c.growth, bucket, theirs)
			}
		}
	}
}

// The sum in nanoseconds would overflow after 292 years of calls, which a busy client
// has in days.
func TestTheSumDoesNotOverflow(t *testing.T) {
	h, _ := holdprom.NewHistogram(nil, 1.1)
	for range 50 {
		h.Observe(100 * 365 * 24 * time.Hour)
	}
	if sum := write(t, h).GetSampleSum(); math.Abs(sum/(50*100*365*24*3600)-1) > 1e-9 {
		t.Errorf("%v", sum)
	}
}

// What is scraped while it is counted agrees with itself: Prometheus refuses native
// histograms whose buckets do not add up.
func TestHistogramsAgreeWhileTheyCount(t *testing.T) {
	h, _ := holdprom.NewHistogram([]float64{.001, .01, .1, 1}, 1.1)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := range 20_000 {
				h.Observe(time.Duration(i) * time.Microsecond)
			}
		})
	}
	for range 200 {
		got := write(t, h)
		sum := got.GetZeroCount()
		for _, n := range native(got) {
			sum += uint64(n)
		}
		if last := got.GetBucket()[3].GetCumulativeCount(); sum != got.GetSampleCount() || last != sum {
			t.Fatalf("native %d, classic %d, in all %d", sum, last, got.GetSampleCount())
		}
	}
	wg.Wait()
	if n := write(t, h).GetSampleCount(); n != 80_000 {
		t.Errorf("%d", n)
	}
	if there, possible := h.Pages(); there > 25 || possible > 70 {
		t.Errorf("%d pages of %d", there, possible)
	}
}

// Two that need the same page at once count in one.
func TestPagesAreMadeOnce(t *testing.T) {
	var all []*holdprom.Histogram
	for range 20_000 {
		h, _ := holdprom.NewHistogram([]float64{}, 1)
		all = append(all, h)
	}
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for _, h := range all {
				h.Observe(1)
			}
		})
	}
	wg.Wait()
	for _, h := range all {
		if n := write(t, h).GetSampleCount(); n != 2 {
			t.Fatalf("%d", n)
		}
	}
}

// Labels that are none cost the exemplar, and not the metrics.
func TestExemplarsThatAreNone(t *testing.T) {
	m, r := registered(t, holdprom.Options{Exemplar: func(context.Context) map[string]string { return map[string]string{"trace": "\xff"} }})
	(&holdfasttest.Script{}).Do(t.Context(), holdfast.Chain(m.Watch("c")...), holdfast.Call{Target: "t", Method: "GET"})
	check(t, scraped(t, r), map[string]float64{"call_duration_seconds{client=c,method=GET,target=t}": 1})
}

func TestBucketsMustGrow(t *testing.T) {
	for _, buckets := range [][]float64{{1, 1}, {2, 1}, {math.NaN()}, {1, 2, math.NaN()}} {
		r := prometheus.NewRegistry()
		if _, err := holdprom.Register(r, holdprom.Options{Buckets: buckets}); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("Buckets[%d]", len(buckets)-1)) {
			t.Errorf("%v: %v", buckets, err)
		}
	}
}
