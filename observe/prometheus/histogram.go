package prometheus

import (
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// Histograms that are classic and native at once, for durations alone. The library's
// own cost three times as much, which was the larger part of what counting a call did;
// what is shown of these is made by the library.

// A histogramVec is a histogram for each client, target and method.
type histogramVec struct {
	desc   *prometheus.Desc
	layout *layout

	mu   sync.Mutex
	list map[[3]string]*histogram
}

// with returns the histogram of that client, target and method.
func (v *histogramVec) with(client, target, method string) *histogram {
	labels := [3]string{client, target, method}
	v.mu.Lock()
	defer v.mu.Unlock()
	h := v.list[labels]
	if h == nil {
		h = &histogram{layout: v.layout, created: time.Now(), pages: make([]atomic.Pointer[page], len(v.layout.bounds)/len(page{})+1)}
		v.list[labels] = h
	}
	return h
}

// Describe sends the only description.
func (v *histogramVec) Describe(ch chan<- *prometheus.Desc) { ch <- v.desc }

// Collect sends all histograms.
func (v *histogramVec) Collect(ch chan<- prometheus.Metric) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for labels, h := range v.list {
		m, err := h.metric(v.desc, labels[:])
		if err != nil {
			m = prometheus.NewInvalidMetric(v.desc, err)
		}
		ch <- m
	}
}

// A page is some of the cells of a histogram; most histograms need few of them.
type page [8]atomic.Uint64

// A histogram counts durations. Observing takes no lock, and once the page is there no
// memory.
type histogram struct {
	layout  *layout
	created time.Time
	pages   []atomic.Pointer[page]
	sum     atomic.Int64 // nanoseconds

	mu        sync.Mutex
	seconds   float64 // of the sum, so that it does not overflow
	exemplars map[int]prometheus.Exemplar
}

// full is when the sum in nanoseconds is moved: after 146 years of calls, which a busy
// client has in days.
const full = math.MaxInt64 / 2

func (h *histogram) observe(d time.Duration) {
	cell := h.layout.cell(int64(d))
	p := h.pages[cell/len(page{})].Load()
	if p == nil {
		p = h.page(cell / len(page{}))
	}
	p[cell%len(page{})].Add(1)
	if h.sum.Add(int64(d)) > full {
		h.move()
	}
}

// page makes a page, unless somebody else has.
func (h *histogram) page(i int) *page {
	h.pages[i].CompareAndSwap(nil, new(page))
	return h.pages[i].Load()
}

func (h *histogram) move() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.seconds += time.Duration(h.sum.Swap(0)).Seconds()
}

// exemplify keeps what an observation is found by, the last one of each classic bucket.
func (h *histogram) exemplify(d time.Duration, labels prometheus.Labels) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.exemplars == nil {
		h.exemplars = map[int]prometheus.Exemplar{}
	}
	h.exemplars[h.layout.bucket[h.layout.cell(int64(d))]] = prometheus.Exemplar{Value: d.Seconds(), Labels: labels, Timestamp: time.Now()}
}

// metric is what is shown of it.
func (h *histogram) metric(desc *prometheus.Desc, labels []string) (prometheus.Metric, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	l := h.layout
	classic, native := make([]uint64, len(l.classic)+1), map[int]int64{}
	count, zero := uint64(0), uint64(0)
	for cell := range l.bounds {
		p := h.pages[cell/len(page{})].Load()
		if p == nil {
			continue
		}
		n := p[cell%len(page{})].Load()
		if n == 0 {
			continue
		}
		count += n
		classic[l.bucket[cell]] += n
		if bucket := l.nativeCell[cell]; bucket == zeroCell {
			zero += n
		} else {
			native[bucket] += int64(n) //nolint:gosec // nobody counts as far
		}
	}
	sum := h.seconds + time.Duration(h.sum.Load()).Seconds()
	upTo, buckets := uint64(0), map[float64]uint64{}
	for i, bound := range l.classic {
		upTo += classic[i]
		buckets[bound] = upTo
	}
	m, err := prometheus.NewConstHistogramWithCreatedTimestamp(desc, count, sum, buckets, h.created, labels...)
	if err != nil {
		return nil, err
	}
	if l.native {
		n, err := prometheus.NewConstNativeHistogram(desc, count, sum, native, nil, zero, l.schema, l.threshold, h.created, labels...)
		if err != nil {
			return nil, err
		}
		m = both{m, n}
	}
	for _, e := range h.exemplars {
		if with, err := prometheus.NewMetricWithExemplars(m, e); err == nil { // else its labels are none
			m = with
		}
	}
	return m, nil
}

// A both is a classic histogram and a native one of the same observations.
type both struct {
	prometheus.Metric
	native prometheus.Metric
}

// Write writes both into one.
func (b both) Write(out *dto.Metric) error {
	var native dto.Metric
	if err := b.native.Write(&native); err != nil {
		return err
	}
	if err := b.Metric.Write(out); err != nil {
		return err
	}
	n, h := native.GetHistogram(), out.GetHistogram()
	h.Schema, h.ZeroThreshold, h.ZeroCount = n.Schema, n.ZeroThreshold, n.ZeroCount
	h.PositiveSpan, h.PositiveDelta = n.GetPositiveSpan(), n.GetPositiveDelta()
	return nil
}
