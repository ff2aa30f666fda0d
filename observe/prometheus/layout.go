package prometheus

import (
	"fmt"
	"math"
	"math/bits"
	"slices"
)

// A layout divides the durations into cells, of which both a classic histogram and a
// native one are sums: each of their bounds ends a cell. So an observation counts one
// thing up, and the two always agree.
type layout struct {
	bounds []int64     // the last nanosecond of each cell, ascending; the last is the largest there is
	start  [512]uint16 // by the leading bits of a duration: the first cell that it may be in

	classic    []float64 // the upper bounds in seconds, without the infinite one
	bucket     []int     // by cell: the classic bucket; len(classic) is what is above all
	native     bool
	schema     int32
	threshold  float64 // in seconds: what native histograms count as zero
	nativeCell []int   // by cell: the native bucket; zeroCell is the one around zero
}

const (
	zeroCell  = math.MinInt
	finest    = 8
	coarsest  = -4  // of those
	zeroPower = -20 // durations up to 2^-20 s, about a microsecond, are zero to native histograms
)

// newLayout makes the layout of histograms with these classic buckets, in seconds, and
// native ones that grow by at most growth; 1 and less: without.
func newLayout(buckets []float64, growth float64) (*layout, error) {
	for i, b := range buckets {
		if math.IsNaN(b) || i > 0 && b <= buckets[i-1] {
			return nil, fmt.Errorf("holdfast: Options.Buckets[%d] is %v: the bounds must grow", i, b)
		}
	}
	l := &layout{native: growth > 1, classic: buckets}
	if n := len(buckets); n > 0 && math.IsInf(buckets[n-1], 1) {
		l.classic = buckets[:n-1]
	}
	l.bounds = []int64{math.MaxInt64}
	for _, b := range l.classic {
		l.bounds = append(l.bounds, nanoseconds(b))
	}
	if l.native {
		l.schema = schemaOf(growth)
		l.threshold = l.bound(l.first() - 1)
		for b := l.first() - 1; nanoseconds(l.bound(b)) < math.MaxInt64; b++ {
			l.bounds = append(l.bounds, nanoseconds(l.bound(b)))
		}
	}
	slices.Sort(l.bounds)
	l.bounds = slices.Compact(l.bounds)
	l.name()
	for key := range l.start {
		cell, _ := slices.BinarySearch(l.bounds, smallest(key))
		l.start[key] = uint16(cell) //nolint:gosec // there are fewer than 14,000
	}
	return l, nil
}

// name says of each cell in which buckets it is.
func (l *layout) name() {
	native := l.first() - 1
	for _, last := range l.bounds {
		classic := 0
		for classic < len(l.classic) && nanoseconds(l.classic[classic]) < last {
			classic++
		}
		l.bucket = append(l.bucket, classic)
		for l.native && nanoseconds(l.bound(native)) < last {
			native++
		}
		if native < l.first() {
			l.nativeCell = append(l.nativeCell, zeroCell)
		} else {
			l.nativeCell = append(l.nativeCell, native)
		}
	}
}

// first is the native bucket above the one around zero.
func (l *layout) first() int {
	return int(math.Floor(math.Ldexp(zeroPower, int(l.schema)))) + 1
}

// bound is the upper bound of a native bucket, in seconds.
func (l *layout) bound(bucket int) float64 {
	return math.Exp2(math.Ldexp(float64(bucket), -int(l.schema)))
}

// cell is the one that a duration is in.
func (l *layout) cell(ns int64) int {
	i := int(l.start[leading(ns)])
	for ns > l.bounds[i] {
		i++
	}
	return i
}

// leading is how long a duration is, and its three bits after the first.
func leading(ns int64) int {
	if ns < 8 {
		return int(max(ns, 0))
	}
	size := bits.Len64(uint64(ns)) //nolint:gosec // it is not negative
	return size<<3&511 | int(ns>>(size-4))&7
}

// smallest is the smallest duration of those that have that leading.
func smallest(key int) int64 {
	size := key >> 3
	switch {
	case size == 0:
		return int64(key)
	case size < 4 || size > 63: // there are none
		return 0
	}
	return int64(8|key&7) << (size - 4)
}

// nanoseconds is the longest duration that is not above a bound in seconds.
func nanoseconds(seconds float64) int64 {
	ns := seconds * 1e9
	if near := math.Round(ns); math.Abs(near-ns) < 1e-3 { // 2.5 ms are not a bit less
		ns = near
	}
	switch ns = math.Floor(ns); {
	case ns >= math.MaxInt64:
		return math.MaxInt64
	case ns < 0:
		return -1
	}
	return int64(ns)
}

// schemaOf is the coarsest schema whose buckets grow by growth at most.
func schemaOf(growth float64) int32 {
	return int32(min(max(-math.Floor(math.Log2(math.Log2(growth))), coarsest), finest))
}
