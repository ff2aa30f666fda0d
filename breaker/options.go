package breaker

import (
	"context"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/option"
)

// Options set up a Breaker. The zero value is the default of every field; a
// negative value switches off what the field is for.
type Options struct {
	// Key says which calls share a circuit: nil means their Target. Calls for which it
	// returns "" are let through and not counted, such as health checks. With
	// call.Target + call.Method each method has one of its own. It must be safe for
	// concurrent use, and is called once for each call.
	Key func(*holdfast.Call) string
	// Keys is how many circuits are kept: 0 and negative mean 1024. Past it, one
	// that is closed and has seen no failure lately makes room; keys that find
	// none share one circuit. Open ones are never dropped.
	Keys int

	// Ratio of failures to calls in Window that opens the circuit, once there are
	// Samples of them: 0 means 0.7; negative: no ratio opens it.
	Ratio float64
	// Window is how far back calls count: 0 and negative mean 10 s.
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
	// Slow is the time to its Result from which a call counts as slow: 0 and
	// negative mean that none does.
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

	// OnChange is told of each change of a circuit's state ("circuit", of
	// holdfast.Event), as Breaker.Observe tells it.
	OnChange func(ctx context.Context, e holdfast.Event)
}

// filled returns o with the defaults in the place of zeros.
func (o Options) filled() Options {
	o.Keys = option.Of(o.Keys, 1024, 1024)
	o.Ratio = min(option.Of(o.Ratio, 0.7, option.Off), 1)
	o.SlowRatio = min(option.Of(o.SlowRatio, 0.7, option.Off), 1)
	o.Window = option.Span(o.Window, 10*time.Second, 10*time.Second)
	o.Samples = option.Of(o.Samples, 20, 1)
	o.Row, o.LongRow = option.Of(o.Row, 5, option.Off), option.Of(o.LongRow, 50, option.Off)
	o.Slow = option.Span(o.Slow, option.Off, option.Off)
	o.Open = option.Span(o.Open, 200*time.Millisecond, option.Off)
	o.MaxOpen = option.Span(o.MaxOpen, time.Minute, option.Day)
	o.MaxAfter = option.Span(o.MaxAfter, 5*time.Minute, option.Off)
	o.ProbeLimit = option.Span(o.ProbeLimit, defaultProbeLimit, option.Off)
	return o
}

const defaultProbeLimit = 10 * time.Second
