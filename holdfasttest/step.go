package holdfasttest

import (
	"context"
	"time"

	"github.com/holdfast-go/holdfast"
)

// A Step says what becomes of one attempt, in a Script or by Faults. Its fields take
// effect in this order. The zero Step of a Script is an answer that comes at once and is
// over when it is there; that of Faults lets the attempt pass as it is.
//
// An attempt that Faults let fail without being sent still counts as sent (Call.Sent, so
// that a retry budget is spent as it would be): it reaches the transport with a context
// that is done, for which a Sender sends nothing.
type Step struct {
	// Delay passes first; the end of the context cuts it short, as in Hang. It fails
	// an attempt only together with what follows.
	Delay time.Duration
	// Hang waits until the context is done instead of sending the attempt, and ends in
	// its error; by Faults in Err, where there is one.
	Hang bool
	// Panic, when it is not nil, is what the attempt panics with.
	Panic any
	// Goexit ends the goroutine of the attempt.
	Goexit bool

	// Lose, by Faults, sends the attempt and throws its answer away, as a connection
	// does that breaks after the server has done the work. It then ends as Class and
	// Err say: zero is Failure here. A Script sends nothing on, and does not ask.
	Lose bool
	// Err is the error in which the attempt ends; nil: it is answered, or with Class by
	// Faults, or Lose, ErrInjected.
	Err error
	// Class is the verdict. Zero: Success for an answer, what holdfast.VerdictOf
	// says for an error, so that Mark makes the other verdicts. By Faults the attempt
	// fails with any other, without being sent.
	Class holdfast.Class
	// Code names the outcome. Empty: the Class of an answer, what holdfast.VerdictOf
	// says for an error; by Faults "fault".
	Code holdfast.Code
	// After is the server's wish: above zero, repeat no sooner; below zero, do not
	// repeat.
	After time.Duration
	// CutOff, by Faults, ends the context of an attempt that was answered, when the
	// reader of its Reply waits for the CutOff-th time: 1 is before anything was read.
	// It reads an error from there on. Zero and negative: never. To the transport that
	// is a cancel, so the End of the Reply is Ignored; for one that is truncated by a
	// server or a network, and a Failure, use Bodies or Network.Set.
	CutOff int
	// Open says that the answer of a Script goes on after the Result, until Finish, Wait or
	// Discard of the Reply ends it. To a Unary call, whose Reply is over when it is
	// there, it makes no difference.
	Open bool
}

// run does what the step says. ctx carries the call.
func (s Step) run(ctx context.Context, call *holdfast.Call) holdfast.Result {
	if !wait(ctx, s.Delay) {
		return ended(ctx)
	}
	if s.Hang {
		<-ctx.Done()
		return ended(ctx)
	}
	s.breaks()
	res := holdfast.Result{Err: s.Err, Class: s.Class, Code: s.Code, After: s.After}
	if s.Err != nil {
		if res.Class == holdfast.Ignored {
			res.Class = holdfast.VerdictOf(ctx, s.Err).Class
		}
		if res.Code == "" {
			res.Code = holdfast.VerdictOf(ctx, s.Err).Code
		}
		return res
	}
	if res.Class == holdfast.Ignored {
		res.Class = holdfast.Success
	}
	if res.Code == "" {
		res.Code = holdfast.Code(res.Class.String())
	}
	reply := &Reply{ctx: ctx, call: call, class: res.Class, code: res.Code}
	if !s.Open || call.Unary {
		reply.Finish(reply.End(nil))
	}
	res.Reply = reply
	return res
}

// ended is the Result of an attempt whose context is done.
func ended(ctx context.Context) holdfast.Result {
	err := context.Cause(ctx)
	v := holdfast.VerdictOf(ctx, err)
	return holdfast.Result{Err: err, Class: v.Class, Code: v.Code}
}

// wait reports whether d passed before ctx ended.
func wait(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
