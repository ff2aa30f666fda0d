package breaker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/holdfast-go/holdfast"
)

// Options set up a Breaker. The zero value is the default of every field; a
// negative value switches off what the field is for.
type Options struct {
	// Key says which calls share a circuit: PerTarget (the default, for nil),
	// PerMethod, or any function of the call. It must be safe for concurrent use.
	Key func(*holdfast.Call) string
	// Keys is how many circuits are kept: 0 or negative means 1024. Past it, an
	// idle closed one makes room; calls that find none share one circuit.
	Keys int

	// Ratio of failures to calls in Window that opens, once there are Samples:
	// 0 means 0.7; negative: no ratio opens.
	Ratio float64
	// Window is how far back calls count: 0 or negative means 10 s.
	Window time.Duration
	// Samples is how many calls the Window must hold for the Ratio to count:
	// 0 means 20; negative: 1.
	Samples int
	// Row opens after so many failures in a row while the Window holds fewer
	// than Samples: 0 means 5; negative: never.
	Row int
	// LongRow opens after so many failures in a row, however many calls there
	// are: 0 means 50; negative: never.
	LongRow int
	// Slow is the time to its Result from which a call counts as slow: 0 or
	// negative means that none does. SlowRatio of slow calls in Window opens, as
	// Ratio does: 0 means 0.7; negative: never.
	Slow      time.Duration
	SlowRatio float64

	// Open is how long the circuit stays open at first: 0 means 200 ms; negative:
	// no time. While the outage goes on it stays open for a quarter of how long
	// the outage has lasted, jittered, at most MaxOpen: 0 means 60 s; negative:
	// 24 h. A server that asks for a longer wait is granted it, up to MaxAfter: 0
	// means 5 min; negative: what it asks is ignored.
	Open     time.Duration
	MaxOpen  time.Duration
	MaxAfter time.Duration
	// ProbeLimit is how long a probe may take to its Result; past it the probe
	// has failed and another may be sent. 0 means 10 s; negative: for ever.
	ProbeLimit time.Duration

	// IgnoreOverload leaves out calls of which the server said that it has too
	// many (429, RESOURCE_EXHAUSTED, 503 with a hint). They are failures otherwise.
	IgnoreOverload bool
	// ObserveOnly lets every call through, and tells what it would have done.
	ObserveOnly bool

	// OnChange is told of each change of a circuit's state. See Breaker.Listen.
	OnChange func(Change)
}

// A State is what a circuit does with a call.
type State uint8

// The states.
const (
	Closed   State = iota // calls go through
	Open                  // calls are rejected
	HalfOpen              // one call goes through, to see whether the server is back
	Isolated              // calls are rejected until Reset
)

// A Change is a circuit's change of state.
type Change struct {
	Key      string
	From, To State
	At       time.Time
	Until    time.Time // of an open one: when a probe may be sent
	Reason   string    // "10 of 12 calls failed", "5 failures in a row", "probe succeeded", "isolated", …
}

// A Status is a circuit's state at a time.
type Status struct {
	Key                   string
	State                 State
	Until                 time.Time // of an open one: when a probe may be sent
	Calls, Failures, Slow uint64    // in the Window
	Row                   int       // failures in a row
	Rejected              uint64    // calls, since there was a circuit
}

// ErrOpen is what every OpenError is, to errors.Is.
var ErrOpen = errors.New("holdfast: circuit open")

// An OpenError says that a call was not sent, since its circuit was not closed.
type OpenError struct {
	Target string    // the key of the circuit
	State  State     // Open, HalfOpen (a probe is under way) or Isolated
	Until  time.Time // when the next probe may be sent; zero where that is not known
}

// Error says which circuit, and when to come back.
func (e *OpenError) Error() string {
	return fmt.Sprintf("holdfast: circuit of %s is %d", e.Target, e.State)
}

// Is reports whether target is ErrOpen.
func (e *OpenError) Is(target error) bool { return target == ErrOpen }

// A Breaker is a Policy.
type Breaker struct{ o Options }

// New makes a Breaker.
func New(o Options) *Breaker { return &Breaker{o} }

// With returns a Breaker with other options and the circuits of b, which both
// share from then on.
func (b *Breaker) With(o Options) *Breaker { return &Breaker{o} }

// Options returns the options in force, with the defaults filled in.
func (b *Breaker) Options() Options { return b.o }

// Wrap is a shape yet.
func (b *Breaker) Wrap(next holdfast.Handler) holdfast.Handler {
	return func(ctx context.Context, call *holdfast.Call) holdfast.Result { return next(ctx, call) }
}
