package holdfasttest

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-go/holdfast"
)

// ErrInjected is the error of a Fault that has none of its own.
var ErrInjected = errors.New("holdfasttest: injected fault")

var errCutOff = errors.New("holdfasttest: injected fault: the reply was cut off")

// A Fault is what happens to one attempt. Its fields take effect in this order;
// the zero Fault lets the attempt pass as it is.
//
// An attempt that fails without being sent still counts as sent (Call.Sent, so
// that a retry budget is spent as it would be): it reaches the transport with a
// context that is done, for which a Sender sends nothing.
type Fault struct {
	// Delay passes first; the end of the context cuts it short. It fails an
	// attempt only together with what follows.
	Delay time.Duration
	// Hang waits for the end of the context instead of sending the attempt.
	Hang bool
	// Lose sends the attempt and throws its answer away, as a connection does
	// that breaks after the server has done the work. It then ends as Class and
	// Err say: zero is Failure here.
	Lose bool
	// Class, when it is not zero, is the verdict with which the attempt fails
	// without being sent: Failure, Overload or Refused. Ignored, the zero value,
	// lets it pass if Err is nil too.
	Class holdfast.Class
	// Err is the error of an attempt that fails. nil: ErrInjected, or the
	// context's for one that hangs. With a zero Class the attempt fails in Err,
	// as a Failure or as what holdfast.Mark made of it.
	Err error
	// Code names the failure for observers. Empty: "fault".
	Code holdfast.Code
	// After is the wish that comes with the failure: above zero, repeat no
	// sooner; below zero, do not repeat.
	After time.Duration
	// CutOff ends the context of an attempt that was answered, when the reader of
	// its Reply waits for the CutOff-th time: 1 is before anything was read. It
	// reads an error from there on. Zero and negative: never. To the transport
	// that is a cancel, so the End of the Reply is Ignored; for one that is
	// truncated by a server or a network, and a Failure, use Bodies or
	// Network.Set.
	CutOff int
}

// fails reports whether the attempt ends in an error of the Fault's.
func (f Fault) fails() bool { return f.Lose || f.Class != holdfast.Ignored || f.Err != nil }

// FaultOptions say which attempts meet which fault. The zero value is none at all.
type FaultOptions struct {
	// Script is what happens to attempt 1, 2, … of each call, by Call.Attempt; the
	// last one holds for all further attempts. Empty: nothing happens.
	Script []Fault
	// Rate is the share of attempts that the Script is applied to, from 0 to 1.
	// Zero: all of them, which more than 1 means too; negative and NaN: none.
	Rate float64
	// Seed makes the choice by Rate the same each time, for attempts made in the
	// same order. Every value is a seed, zero too.
	Seed uint64
	// Match chooses the calls that may meet a fault, such as those to one target.
	// nil: every call. It may run on many goroutines at once.
	Match func(call *holdfast.Call) bool
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
	o.Script = append([]Fault(nil), o.Script...)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.dice = rand.New(rand.NewPCG(o.Seed, 0x686f6c6466617374)) // any constant serves
	f.options.Store(&o)
}

// Injected returns how many attempts have met a Fault that is not zero.
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
		if fault == (Fault{}) {
			return next(ctx, call)
		}
		f.injected.Add(1)
		return fault.inject(ctx, call, next)
	}
}

// choose returns the fault that the attempt meets, if any.
func (f *Faults) choose(call *holdfast.Call) Fault {
	o := f.options.Load()
	if o == nil || len(o.Script) == 0 || o.Match != nil && !o.Match(call) {
		return Fault{}
	}
	if rate := o.Rate; rate != 0 && rate < 1 || rate != rate {
		f.mu.Lock()
		hit := f.dice.Float64() < rate
		f.mu.Unlock()
		if !hit {
			return Fault{}
		}
	}
	return o.Script[min(max(call.Attempt, 1), len(o.Script))-1]
}
