package holdfasttest

import (
	"context"
	"runtime"
	"time"

	"github.com/holdfast-go/holdfast"
)

// A Step says what becomes of one attempt. The zero Step is an answer that comes
// at once and is over when it is there.
type Step struct {
	// Delay passes first; the end of the context cuts it short, as in Hang.
	Delay time.Duration
	// Hang waits until the context is done, and ends in its error.
	Hang bool
	// Panic, when it is not nil, is what Send panics with.
	Panic any
	// Goexit ends the goroutine that called Send.
	Goexit bool

	// Err is the error in which the attempt ends; nil: it is answered.
	Err error
	// Class is the verdict. Zero: Success for an answer, what holdfast.VerdictOf
	// says for an error, so that Mark makes the other verdicts.
	Class holdfast.Class
	// Code names the outcome. Empty: the Class of an answer, what holdfast.VerdictOf
	// says for an error.
	Code holdfast.Code
	// After is the server's wish.
	After time.Duration
	// Open says that the answer goes on after the Result, until Finish, Wait or
	// Discard of the Reply ends it. To a Unary call, whose Reply is over when it is
	// there, it makes no difference.
	Open bool
}

// run does what the step says. ctx carries the call.
func (s Step) run(ctx context.Context, call *holdfast.Call) holdfast.Result {
	if !wait(ctx, s.Delay) {
		return ended(ctx)
	}
	switch {
	case s.Hang:
		<-ctx.Done()
		return ended(ctx)
	case s.Panic != nil:
		panic(s.Panic)
	case s.Goexit:
		runtime.Goexit()
	}
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
