package breaker

import (
	"errors"
	"fmt"
	"time"
)

// A State is what a circuit does with a call.
type State uint8

// The states of a circuit.
const (
	Closed   State = iota // calls go through
	Open                  // calls are rejected
	HalfOpen              // one call at a time goes through, to see whether the server is back
	Isolated              // calls are rejected until Reset
)

// String returns the name in lower case.
func (s State) String() string {
	switch s {
	case Closed:
		return "closed"
	case Open:
		return "open"
	case HalfOpen:
		return "half-open"
	case Isolated:
		return "isolated"
	}
	return "unknown"
}

// A Status is a circuit's state at one time.
type Status struct {
	State               State
	Until               time.Time // of an open one: when a probe may be sent
	Calls               uint64    // in the Window
	Failures            uint64    // of them
	Slow                uint64    // of them
	ConsecutiveFailures int       // failures in a row
	Rejected            uint64    // calls, since there is the circuit; with ObserveOnly those that would have been
}

// ErrOpen is what every OpenError is to errors.Is.
var ErrOpen = errors.New("holdfast: circuit open")

// An OpenError says that a call was not sent, since its circuit is not closed.
type OpenError struct {
	Target string    // the key of the circuit
	State  State     // Open, HalfOpen (a probe is under way) or Isolated
	Until  time.Time // when the next probe may be sent; zero where that is not known
}

// Error names the circuit, its state, and when it may be tried again.
func (e *OpenError) Error() string {
	switch e.State {
	case HalfOpen:
		return fmt.Sprintf("holdfast: circuit of %q is half-open: a probe is under way", e.Target)
	case Isolated:
		return fmt.Sprintf("holdfast: circuit of %q is isolated", e.Target)
	}
	return fmt.Sprintf("holdfast: circuit of %q is open for another %v", e.Target, max(time.Until(e.Until), 0).Round(time.Millisecond))
}

// Is reports whether target is ErrOpen.
func (e *OpenError) Is(target error) bool { return target == ErrOpen }
