package holdfasttest

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/option"
)

// ErrInjected is the error of a Step of Faults that has none of its own.
var ErrInjected = errors.New("holdfasttest: injected fault")

var errCutOff = errors.New("holdfasttest: injected fault: the reply was cut off")

// fails reports whether the attempt ends in an error of the Step's.
func (s Step) fails() bool { return s.Lose || s.Class != holdfast.Ignored || s.Err != nil }

// FaultOptions say which attempts meet which fault. The zero value is none at all.
type FaultOptions struct {
	// Script is what happens to attempt 1, 2, … of each call, by Call.Attempt; the
	// last one holds for all further attempts. Empty: nothing happens.
	Script []Step
	// Rate is the share of attempts that the Script is applied to: 0 means 1, all of
	// them; negative, or no number: none. At most 1.
	Rate float64
	// Seed makes the choice by Rate the same each time, for attempts made in the
	// same order. Every value is a seed, zero too.
	Seed uint64
	// Match chooses the calls that may meet a fault, such as those to one target.
	// nil: every call. It may run on many goroutines at once.
	Match func(call *holdfast.Call) bool
}

func (o FaultOptions) filled() FaultOptions {
	o.Script = append([]Step(nil), o.Script...)
	if o.Rate != o.Rate { // in doubt no faults
		o.Rate = option.Off
	}
	o.Rate = min(option.Of(o.Rate, 1, option.Off), 1)
	return o
}

// Faults are a Policy that injects faults into what is beneath it, to stand
// innermost in a chain. They can be switched at run time. The zero Faults, and
// nil ones, let everything pass.
type Faults struct {
	options  atomic.Pointer[FaultOptions]
	injected atomic.Int64

	mu   sync.Mutex
	dice *rand.Rand
}

var _ holdfast.Policy = (*Faults)(nil)

// NewFaults makes a policy that injects the faults that o describes.
func NewFaults(o FaultOptions) *Faults {
	f := new(Faults)
	f.Set(o)
	return f
}

// Set puts o in the place of the options there were, for attempts that begin
// from now on, and starts the seed anew. Set(FaultOptions{}) switches faults off.
func (f *Faults) Set(o FaultOptions) {
	o = o.filled()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.dice = rand.New(rand.NewPCG(o.Seed, 0x686f6c6466617374)) // any constant serves
	f.options.Store(&o)
}

// Injected returns how many attempts have met a Step that is not zero.
func (f *Faults) Injected() int {
	if f == nil {
		return 0
	}
	return int(f.injected.Load())
}

// Wrap returns a Handler that lets a call meet its fault. nil Faults do nothing.
func (f *Faults) Wrap(next holdfast.Handler) holdfast.Handler {
	if f == nil || next == nil {
		return next
	}
	return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
		fault := f.choose(call)
		if fault == (Step{}) {
			return next(ctx, call)
		}
		f.injected.Add(1)
		return fault.inject(ctx, call, next)
	}
}

// choose returns the fault that the attempt meets, if any.
func (f *Faults) choose(call *holdfast.Call) Step {
	o := f.options.Load()
	if o == nil || len(o.Script) == 0 || o.Match != nil && !o.Match(call) {
		return Step{}
	}
	if o.Rate < 1 {
		f.mu.Lock()
		hit := f.dice.Float64() < o.Rate
		f.mu.Unlock()
		if !hit {
			return Step{}
		}
	}
	return o.Script[min(max(call.Attempt, 1), len(o.Script))-1]
}
