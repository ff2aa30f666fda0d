package holdfasttest

import (
	"context"
	"runtime"
	"sync/atomic"

	"github.com/holdfast-go/holdfast"
)

// inject does to the call what the fault says.
func (s Step) inject(ctx context.Context, call *holdfast.Call, next holdfast.Handler) holdfast.Result {
	switch {
	case s.Lose && s.Panic == nil && !s.Goexit:
		if res, over := s.standIn(ctx, call); over {
			touch(ctx, call, next)
			return res
		}
		next(ctx, call).Discard()
		return s.failure()
	case s.Hang || s.Panic != nil || s.Goexit || s.fails():
		touch(ctx, call, next)
		if res, over := s.standIn(ctx, call); over {
			return res
		}
		s.breaks()
		return s.failure()
	}
	if res, over := s.standIn(ctx, call); over {
		touch(ctx, call, next)
		return res
	}
	if s.CutOff > 0 {
		return cutOff(ctx, call, next, s.CutOff)
	}
	return next(ctx, call)
}

// breaks panics, or ends the goroutine, where the Step says so.
func (s Step) breaks() {
	switch {
	case s.Panic != nil:
		panic(s.Panic)
	case s.Goexit:
		runtime.Goexit()
	}
}

// failure is the Result of an attempt that fails as the Step says.
func (s Step) failure() holdfast.Result {
	res := holdfast.Result{Err: s.Err, Class: s.Class, Code: s.Code, After: s.After}
	if res.Err == nil {
		res.Err = ErrInjected
	}
	if res.Class == holdfast.Ignored {
		res.Class = holdfast.VerdictOf(context.Background(), res.Err).Class // what Mark said, or Failure
	}
	if res.Code == "" {
		res.Code = "fault"
	}
	return res
}

// touch has the call count as sent, and sends nothing: a Sender does not when
// the context is done.
func touch(ctx context.Context, call *holdfast.Call, next holdfast.Handler) {
	ctx, cancel := context.WithCancel(ctx)
	cancel()
	next(ctx, call).Discard()
}

// alone sends what stands in for a call.
var alone = holdfast.Chain()

// standIn spends the time that the fault takes. It is over when the context
// ended meanwhile: then the Result is that of a transport which waited for as
// long, judged by holdfast.VerdictOf, which goes by the time that a Call has run.
func (s Step) standIn(ctx context.Context, call *holdfast.Call) (res holdfast.Result, over bool) {
	if s.Delay <= 0 && !s.Hang {
		return res, false
	}
	res = alone(ctx, &holdfast.Call{
		Target: call.Target, Method: call.Method, Attempt: call.Attempt, Record: call.Record, Sender: (*idler)(&s),
	})
	res.Attempt = 0 // the policy's own Result
	return res, res.Err != nil
}

// An idler is a Step as the transport that it stands in for.
type idler Step

func (i *idler) Send(ctx context.Context, call *holdfast.Call) holdfast.Result {
	ctx = call.Context(ctx)
	if !wait(ctx, i.Delay) {
		return ended(ctx)
	}
	if !i.Hang {
		return holdfast.Result{}
	}
	<-ctx.Done()
	res := ended(ctx)
	if i.Err != nil {
		res.Err = i.Err
	}
	return res
}

// cutOff sends the call and cuts its Reply off at the nth waiting of its reader.
func cutOff(ctx context.Context, call *holdfast.Call, next holdfast.Handler, nth int) holdfast.Result {
	ctx, cancel := context.WithCancelCause(ctx)
	kept := false
	defer func() {
		if !kept {
			cancel(nil)
		}
	}()
	res := next(ctx, call)
	if res.Reply != nil {
		c := &cutter{cancel: cancel}
		c.left.Store(int64(nth))
		kept = true
		res.OnDone(c, 0)
	}
	return res
}

// A cutter is the ProgressHook of one Reply.
type cutter struct {
	cancel context.CancelCauseFunc
	left   atomic.Int64
}

var _ holdfast.ProgressHook = (*cutter)(nil)

func (c *cutter) Progress(_ uint64, waiting bool) {
	if waiting && c.left.Add(-1) == 0 {
		c.cancel(errCutOff)
	}
}

func (c *cutter) Done(uint64, holdfast.End) { c.cancel(nil) }
