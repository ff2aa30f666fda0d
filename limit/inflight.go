package limit

import (
	"time"

	"github.com/holdfast-go/holdfast"
)

// InFlightOptions set up an InFlight. The zero value is the default of every
// field; a negative value switches off what the field is for.
type InFlightOptions struct {
	// Max is how many calls may be under way at once: 0 means 1000; negative: no
	// limit.
	Max int
	// Wait is how long a call that finds no room may wait for some: 0 and
	// negative mean not at all. Queue is how many may wait: 0 means Max;
	// negative: none.
	Wait  time.Duration
	Queue int
	// PerTarget gives each target a limit of its own. Targets is how many: 0 or
	// negative means 1024; the others share one.
	PerTarget bool
	Targets   int
}

// An InFlight is a Policy.
type InFlight struct{ o InFlightOptions }

// NewInFlight makes an InFlight.
func NewInFlight(o InFlightOptions) *InFlight { return &InFlight{o} }

// With returns an InFlight with other options that counts with l.
func (l *InFlight) With(o InFlightOptions) *InFlight { return &InFlight{o} }

// Options returns the options in force, with the defaults filled in.
func (l *InFlight) Options() InFlightOptions { return l.o }

// Wrap is a shape yet.
func (l *InFlight) Wrap(next holdfast.Handler) holdfast.Handler { return next }
