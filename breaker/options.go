package breaker

import (
	"math"
	"time"

	"github.com/holdfast-go/holdfast"
)

// Options set up a Breaker. The zero value is the default of every field; a
// negative value switches off what the field is for.
type Options struct {
	// Key says which calls share a circuit: nil means their Target. Calls for which it
	// returns "" are let through and not counted, such as health checks. With
	// call.Target + call.Method each method has one of its own. It must be safe for
	// concurrent use, and is called once for each call.
	Key func(*holdfast.Call) string
	// Keys is how many circuits are kept: 0 or negative means 1024. Past it, one
	// that is closed and has seen no failure lately makes room; keys that find
	// none share one circuit. Open ones are never dropped.
	Keys int

	// Ratio of failures to calls in Window that opens the circuit, once there are
	// Samples of them: 0 means 0.7; negative: no ratio opens it.
	Ratio float64
	// Window is how far back calls count: 0 or negative means 10 s.
	Window time.Duration
	// Samples is how many calls the Window must hold for a ratio to count: 0
	// means 20; negative: 1.
	Samples int
	// Row opens after so many failures in a row while the Window holds fewer
	// than Samples: 0 means 5; negative: never.
	Row int
	// LongRow opens after so many failures in a row, however many calls there
	// are: 0 means 50; negative: never.
	LongRow int
	// Slow is the time to its Result from which a call counts as slow: 0 or
	// negative means that none does.
	Slow time.Duration
	// SlowRatio of slow calls in Window that opens, as Ratio does: 0 means 0.7;
	// negative: never.
	SlowRatio float64

	// Open is how long the circuit stays open at first: 0 means 200 ms; negative:
	// no time.
	Open time.Duration
	// MaxOpen bounds the open time, which grows to a quarter of how long the
	// outage has lasted: 0 means 60 s; negative: 24 h.
	MaxOpen time.Duration
	// MaxAfter is the longest open time that a server may ask for: 0 means 5 min;
	// negative: what it asks for is ignored.
	MaxAfter time.Duration
	// ProbeLimit is how long a probe may take to its Result; past it the probe
	// has failed. 0 means 10 s; negative: for ever.
	ProbeLimit time.Duration

	// IgnoreOverload leaves out calls whose server said that it has too many
	// (429, RESOURCE_EXHAUSTED, 503 with a hint). They are failures otherwise.
	IgnoreOverload bool
	// ObserveOnly lets every call through, and only tells what it would do.
	ObserveOnly bool

	// OnChange is told of each change of a circuit's state; see Breaker.Observe.
	OnChange func(Change)
}

const day = 24 * time.Hour

// filled returns o with the defaults in the place of zeros.
func (o Options) filled() Options {
	o.Keys = count(o.Keys, 1024, 1024)
	o.Ratio, o.SlowRatio = ratio(o.Ratio), ratio(o.SlowRatio)
	o.Window = span(o.Window, 10*time.Second, 10*time.Second)
	o.Samples = count(o.Samples, 20, 1)
	o.Row, o.LongRow = count(o.Row, 5, -1), count(o.LongRow, 50, -1)
	o.Slow = span(o.Slow, -1, -1)
	o.Open = span(o.Open, 200*time.Millisecond, -1)
	o.MaxOpen = span(o.MaxOpen, time.Minute, day)
	o.MaxAfter = span(o.MaxAfter, 5*time.Minute, -1)
	o.ProbeLimit = span(o.ProbeLimit, defaultProbeLimit, -1)
	return o
}

const defaultProbeLimit = 10 * time.Second

func count(n, zero, negative int) int {
	switch {
	case n == 0:
		return zero
	case n < 0:
		return negative
	}
	return n
}

func span(d, zero, negative time.Duration) time.Duration {
	switch {
	case d == 0:
		return zero
	case d < 0:
		return negative
	}
	return min(d, day)
}

func ratio(r float64) float64 {
	switch {
	case r == 0 || math.IsNaN(r):
		return 0.7
	case r < 0:
		return -1
	}
	return min(r, 1)
}
