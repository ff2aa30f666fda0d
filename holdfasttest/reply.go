package holdfasttest

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/holdfast-go/holdfast"
)

// A Reply is the answer of an attempt of a Script. OnDone, Progress, Finish and
// Finished are those of holdfast.Ending: a test ends an open Reply, in the place
// of a reader, by Finish or Wait.
type Reply struct {
	holdfast.Ending
	ctx      context.Context
	call     *holdfast.Call
	class    holdfast.Class
	code     holdfast.Code
	discards atomic.Int32
}

// Discard counts, and ends the Reply as a reader does who closes it early.
func (r *Reply) Discard() {
	r.discards.Add(1)
	r.Finish(r.End(nil))
}

// Discards returns how often Discard was called.
func (r *Reply) Discards() int { return int(r.discards.Load()) }

// context returns the context of the attempt: done once a policy has cancelled
// or let go of it.
func (r *Reply) context() context.Context {
	if r.ctx == nil { // of no Script's making
		return context.Background()
	}
	return r.ctx
}

// End returns the End of a Reply whose reading ended in err: one that was read to
// its end, or closed early, for nil; one that broke off for any other.
func (r *Reply) End(err error) holdfast.End {
	ctx := r.context()
	switch {
	case err == nil:
		return holdfast.End{Class: r.class, Code: r.code}
	case ctx.Err() != nil:
		v := holdfast.VerdictOf(ctx, err)
		return holdfast.End{Class: v.Class, Code: v.Code, Err: err}
	}
	return holdfast.End{Class: holdfast.Failure, Code: holdfast.CodeTruncated, Err: err}
}

// Wait is a reader who waits for the server for d: nil when something came, or
// the cause of the context's end, which is then the end of the Reply.
func (r *Reply) Wait(d time.Duration) error {
	ctx := r.context()
	r.Progress(true)
	if !wait(ctx, d) || ctx.Err() != nil {
		err := context.Cause(ctx)
		r.Finish(r.End(err))
		return err
	}
	r.Progress(false)
	return nil
}
