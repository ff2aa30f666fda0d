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
	// MaxKeys is how many circuits are kept: 0 and negative mean 1024. Past it, one makes
	// room that no call is asking, and that is closed and has seen no failure in Window, or
	// whose open time was over long ago and that nobody has called since. Calls whose key
	// finds no room are let through, and neither counted nor rejected: a circuit that
	// several keys share would reject the calls of one for what another has done. Metrics
	// count them, and an event ("table_full", of holdfast.Event) tells of them. One that is
	// isolated is never dropped.
	MaxKeys int

	// FailureRatio opens the circuit when this part of the calls in Window has failed,
	// of MinSamples calls at least: 0 means 0.7; negative: never.
	FailureRatio float64
	// Window is how far back calls count: 0 and negative mean 10 s.
	Window time.Duration
	// MinSamples is how many calls the Window must hold for a ratio to count: 0
	// means 20; negative: 1.
	MinSamples int
	// ConsecutiveFailures opens the circuit after so many failures in a row, while Window
	// holds fewer calls than MinSamples: 0 means 5; negative: never.
	ConsecutiveFailures int
	// ConsecutiveFailuresUnderLoad opens it after so many, however many calls there are: 0
	// means 50; negative: never.
	ConsecutiveFailuresUnderLoad int
	// SlowDuration is how long a call takes to its Result, at least, that counts as slow:
	// 0 and negative mean that none does.
	SlowDuration time.Duration
	// SlowRatio opens the circuit when this part of the calls in Window was slow, of
	// MinSamples calls at least: 0 means 0.7; negative: never.
	SlowRatio float64

	// OpenDuration is how long the circuit stays open at first: 0 means 200 ms; negative:
	// no time.
	OpenDuration time.Duration
	// MaxOpenDuration bounds the open time, which grows to a quarter of how long the
	// outage has lasted: 0 means 60 s; negative: 24 h.
	MaxOpenDuration time.Duration
	// MaxRetryAfter is the longest open time that a server may ask for: 0 means 5 min;
	// negative: what it asks for is ignored.
	MaxRetryAfter time.Duration
	// ProbeTimeout is how long a probe may take to its Result; past it the probe
	// has failed. 0 means 10 s; negative: for ever.
	ProbeTimeout time.Duration

	// IgnoreOverload leaves out calls whose server said that it has too many
	// (429, RESOURCE_EXHAUSTED, 503 with a hint). They are failures otherwise.
	IgnoreOverload bool
	// ObserveOnly lets every call through, and only tells what it would do.
	ObserveOnly bool

	// OnChange is told of each change of a circuit's state ("circuit", of
	// holdfast.Event), as Breaker.Watch tells it.
	OnChange func(ctx context.Context, e holdfast.Event)
}

// filled returns o with the defaults in the place of zeros.
func (o Options) filled() Options {
	o.MaxKeys = option.Of(o.MaxKeys, 1024, 1024)
	o.FailureRatio = min(option.Of(o.FailureRatio, 0.7, option.Off), 1)
	o.SlowRatio = min(option.Of(o.SlowRatio, 0.7, option.Off), 1)
	o.Window = option.Span(o.Window, 10*time.Second, 10*time.Second)
	o.MinSamples = option.Of(o.MinSamples, 20, 1)
	o.ConsecutiveFailures, o.ConsecutiveFailuresUnderLoad = option.Of(o.ConsecutiveFailures, 5, option.Off), option.Of(o.ConsecutiveFailuresUnderLoad, 50, option.Off)
	o.SlowDuration = option.Span(o.SlowDuration, option.Off, option.Off)
	o.OpenDuration = option.Span(o.OpenDuration, 200*time.Millisecond, option.Off)
	o.MaxOpenDuration = option.Span(o.MaxOpenDuration, time.Minute, option.Day)
	o.MaxRetryAfter = option.Span(o.MaxRetryAfter, 5*time.Minute, option.Off)
	o.ProbeTimeout = option.Span(o.ProbeTimeout, defaultProbeLimit, option.Off)
	return o
}

const defaultProbeLimit = 10 * time.Second
