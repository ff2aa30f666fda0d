package observe

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/clock"
)

// A Record is what was seen of a call, or of an attempt, when it is over. It is passed
// by value.
type Record struct {
	Target, Method string
	Endpoint       string // where it was sent, if a balancer has chosen
	Attempt        int    // its number; 1 for what is seen from outside
	Attempts       int    // how many sendings the request has had so far
	Hedge          bool   // sent beside an earlier attempt
	Stream         bool   // as the Call has it
	Sent           bool   // this sending has reached the transport

	Class holdfast.Class // of its end
	Code  holdfast.Code  // of its end: "200", "UNAVAILABLE", "timeout", …
	Err   error          // of its end: nil when it was answered, and the answer was read to its end or closed
	Bytes int64          // of the answer that were read; 0 where the transport has no such thing

	Answered time.Duration // until the Result: headers, the first message
	Took     time.Duration // until its end: the body closed or at EOF, the last message

	began  int64
	record *holdfast.Record
}

// Ledger returns what was tried for the request so far, and why nothing more was. It is
// empty for one that succeeded at once.
func (r Record) Ledger() holdfast.Ledger {
	if r.record == nil {
		return holdfast.Ledger{}
	}
	return r.record.Ledger()
}

// Options set up an Observe. Both functions are called with the caller's context, no
// lock held, on the goroutine of the call or of whoever ends the answer; they must be
// safe for concurrent use, and quick.
type Options struct {
	// Done is told of each call, or attempt, that passes here, once, when it is over:
	// also of one that was never sent, or that has panicked (Code "panic"). nil: nobody.
	Done func(ctx context.Context, r Record)
	// Wire is for a policy that stands inside all others: times count from when the
	// transport got the attempt, which spares a look at the clock.
	Wire bool
	// Event is told what policies further in decide about these calls. What of their
	// own state changes they tell by Watch. nil: nobody.
	Event func(ctx context.Context, e holdfast.Event)
}

// An Observe is a Policy that watches, from where it stands. It is safe for concurrent
// use. One that New has not made, nil too, does nothing.
type Observe struct {
	done     func(context.Context, Record)
	wire     bool
	listener *holdfast.Listener
}

var _ holdfast.Policy = (*Observe)(nil)

// New makes an Observe.
func New(o Options) *Observe {
	p := &Observe{done: o.Done, wire: o.Wire}
	if o.Event != nil {
		p.listener = holdfast.NewListener(o.Event)
	}
	return p
}

// Wrap returns a Handler that does what next does, and tells.
func (o *Observe) Wrap(next holdfast.Handler) holdfast.Handler {
	switch {
	case o == nil || o.done == nil && o.listener == nil:
		return next
	case o.done == nil:
		return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
			call.Record.Listen(o.listener)
			return next(ctx, call)
		}
	}
	return func(ctx context.Context, call *holdfast.Call) (res holdfast.Result) {
		call.Record.Listen(o.listener)
		var began int64
		if !o.wire {
			began = clock.Now()
		}
		returned, told := false, false
		defer func() {
			switch {
			case !returned: // a panic, or an exited goroutine
				var r Record
				now := clock.Now()
				if o.wire {
					began = sent(call, now)
				}
				see(&r, call, began, time.Duration(now-began))
				r.Code = holdfast.CodePanic
				o.done(ctx, r)
			case !told: // Done has panicked: nobody is left to read the answer
				res.Discard()
			}
		}()
		res = next(ctx, call)
		returned = true
		goesOn := res.Reply != nil && !call.Unary
		now := clock.Now()
		if o.wire {
			began = sent(call, now)
		}
		if goesOn {
			w := watches.Get().(*watch) //nolint:errcheck // there is nothing else in it
			w.of, w.ctx, w.code = o, ctx, res.Code
			see(&w.record, call, began, max(time.Duration(now-began), 0))
			res.OnDone(w, w.turn.Load())
			told = true
			return res
		}
		var r Record
		see(&r, call, began, time.Duration(now-began))
		r.Class, r.Code, r.Err = res.Class, res.Code, res.Err
		o.done(ctx, r)
		told = true
		return res
	}
}

// sent is when the transport got the attempt; now, if it never did.
func sent(call *holdfast.Call, now int64) int64 {
	if !call.Sent() {
		return now
	}
	return clock.At(call.SentAt())
}

// see fills in what is known of a call that has come back. In place: a Record is large.
func see(r *Record, call *holdfast.Call, began int64, answered time.Duration) {
	r.Target, r.Method, r.Endpoint, r.Attempt, r.Attempts = call.Target, call.Method, call.Endpoint, call.Attempt, call.Record.Attempts()
	r.Hedge, r.Stream, r.Sent = call.Hedge, call.Stream, call.Sent()
	r.Answered, r.Took, r.began, r.record = answered, answered, began, call.Record
}

// A watch waits for the end of an answer. It is used again: turn tells an end that
// comes twice from that of the next answer.
type watch struct {
	of     *Observe
	ctx    context.Context
	code   holdfast.Code // of the Result
	record Record
	turn   atomic.Uint64
}

var watches = sync.Pool{New: func() any { return new(watch) }}

// Done tells of the end.
func (w *watch) Done(turn uint64, end holdfast.End) {
	if !w.turn.CompareAndSwap(turn, turn+1) {
		return
	}
	r := &w.record // in place: a Record is large
	r.Class, r.Code, r.Err, r.Bytes = end.Class, end.Code, end.Err, end.Bytes
	if r.Code == "" {
		r.Code = w.code
	}
	r.Took = time.Duration(clock.Now() - r.began)
	w.of.done(w.ctx, *r)
	w.ctx, r.Err, r.record = nil, nil, nil // what keeps much alive
	watches.Put(w)
}
