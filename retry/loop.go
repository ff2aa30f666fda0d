package retry

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/holdfast-go/holdfast"
)

// A loop is one call whose first attempt did not succeed.
type loop struct {
	r     *Retry
	next  holdfast.Handler
	waits waits
	res   holdfast.Result // of the latest attempt
	last  holdfast.Result // of the latest one before that which tells of the server; put by
	had   bool            // there is a last
	ended struct {        // what the attempt came to after which the call ended while it waited
		attempt int // 0: it did not
		class   holdfast.Class
		code    holdfast.Code
	}
}

// run goes on from the first attempt. When the user's schedule or callback panics,
// nobody is left to read a Result: they are discarded.
func (l *loop) run(ctx context.Context, call *holdfast.Call) (res holdfast.Result) {
	returned := false
	defer func() {
		if !returned {
			defer l.forget() // also where a hook of the other one panics
			l.res.Discard()
		}
	}()
	res = l.repeat(ctx, call)
	returned = true
	return res
}

// repeat repeats until there is a reason not to.
func (l *loop) repeat(ctx context.Context, call *holdfast.Call) holdfast.Result {
	r := l.r
	for made := 1; ; made++ {
		call.Record.Log(call, l.res)
		if l.res.Class.Server() != holdfast.Unknown {
			l.forget() // there is better now
		}
		if r.succeeded(l.res) {
			r.deposit(ctx, call, l.res)
			return l.res
		}
		wait, why := r.decide(ctx, call, l.res, made, &l.waits)
		var g grant
		if why.word == "" {
			if g = r.withdraw(ctx, call); !g.granted() {
				why = reason{"budget", "budget empty"}
			}
		}
		if why.word != "" {
			return l.stop(ctx, call, made, why)
		}
		attempt, class, code := cmp.Or(l.res.Attempt, call.Attempt), l.res.Class, l.res.Code
		again, err := l.again(ctx, call, wait, g)
		if err != nil {
			l.ended.attempt, l.ended.class, l.ended.code = attempt, class, code
			l.res = holdfast.Result{Err: err, Class: holdfast.Ignored, Code: holdfast.VerdictOf(ctx, err).Code}
			why := reason{"ended", "ended while waiting"}
			if ctx.Err() == nil {
				l.res.Code, why = holdfast.CodeClosed, reason{"closed", "closed while waiting"}
			}
			l.forget()
			return l.stop(ctx, call, made+1, why)
		}
		call = again
	}
}

// again puts the Result of the latest attempt by, waits, and makes another attempt. It
// returns an error when ctx ends first. The token that the attempt was granted goes back
// when the attempt does not reach the transport, also by a panic.
func (l *loop) again(ctx context.Context, call *holdfast.Call, wait time.Duration, g grant) (again *holdfast.Call, err error) {
	r := l.r
	defer func() {
		if again == nil || !again.Sent() || neverLeft(again, l.res) {
			g.refund()
		} else {
			g.spend()
		}
	}()
	timer := time.NewTimer(wait) // before the answer is put by, which may take some of the wait
	defer timer.Stop()
	old := l.res
	l.res = holdfast.Result{}
	l.putBy(old)
	if r.onRetry != nil || call.Heard() {
		e := event("retry", slog.LevelInfo, call, old)
		e.Wait = wait
		tell(ctx, call, r.onRetry, e)
	}
	waiting, done := call.Waiting(ctx)
	defer done()
	select {
	case <-waiting.Done():
	case <-timer.C:
	}
	switch {
	case ctx.Err() != nil:
		return nil, &endedError{last: old.Err, err: ctx.Err(), cause: context.Cause(ctx), waiting: true}
	case waiting.Err() != nil:
		return nil, &endedError{last: old.Err, err: holdfast.ErrClosed, cause: holdfast.ErrClosed, waiting: true}
	}
	done()
	again = call.Again()
	paid := call.Record.Replays()
	l.res = l.next(ctx, again)
	r.pay(ctx, call, paid)
	return again, nil
}

// neverLeft reports whether an attempt came to nothing before anything was sent. A Result of
// another attempt, which a policy further in has made, does not say so of this one.
func neverLeft(call *holdfast.Call, res holdfast.Result) bool {
	return res.Attempt == call.Attempt && res.Class.Server() == holdfast.Unknown && res.Class.Again(false)
}

// putBy keeps what tells of the server, in case that no further attempt does: a circuit
// that opens between two attempts must not hide the server's answer. What the answer
// holds of the transport is free from then on.
func (l *loop) putBy(res holdfast.Result) {
	if res.Class.Server() == holdfast.Unknown {
		res.Discard()
		return
	}
	l.last, l.had = res, true // before, since a hook that runs may panic
	if !res.Keep() {
		l.last, l.had = holdfast.Result{}, false
	}
}

func (l *loop) forget() {
	l.last.Discard()
	l.last, l.had = holdfast.Result{}, false
}

// pay draws what the transport has sent by itself from the budget, as far as there is
// something in it: the server has had it all the same.
func (r *Retry) pay(ctx context.Context, call *holdfast.Call, paid int) {
	for n := call.Record.Replays(); paid < n; paid++ {
		r.withdraw(ctx, call).spend()
	}
}

// ErrBudget is what ended a call midway whose repeat the Budget refused, to errors.Is;
// the error itself is the last attempt's.
var ErrBudget = errors.New("holdfast: the retry budget is empty")

// stop returns the last Result that tells of the server, as it came; after several
// attempts its error carries the ledger, and what ended the call.
func (l *loop) stop(ctx context.Context, call *holdfast.Call, made int, why reason) holdfast.Result {
	r, res := l.r, l.res
	call.Record.Stop(why.detail)
	var ended error
	switch {
	case res.Err == nil:
	case ctx.Err() != nil:
		if !tells(ctx, res.Err) {
			res.Err, res.Attempt = &endedError{last: res.Err, err: ctx.Err(), cause: context.Cause(ctx)}, 0
		}
	case l.had && res.Class.Server() == holdfast.Unknown:
		ended, res = res.Err, l.last
		l.last, l.had = holdfast.Result{}, false
	}
	if why.word == "budget" {
		ended = errors.Join(ended, ErrBudget)
	}
	l.forget()
	l.res = res // is discarded when a callback panics
	if res.Err != nil && made > 1 {
		res.Err = &holdfast.AttemptsError{Err: res.Err, Reason: ended, Ledger: call.Record.Ledger()}
	}
	if r.onStop != nil || call.Heard() {
		level := slog.LevelDebug // the caller has the error
		if why.word == "budget" || why.word == "attempts" {
			level = slog.LevelWarn
		}
		e := event("retry_stopped", level, call, res)
		if l.ended.attempt != 0 {
			e.Attempt, e.Class, e.Code = l.ended.attempt, l.ended.class, l.ended.code
		}
		e.Reason, e.Detail = why.word, why.detail
		tell(ctx, call, r.onStop, e)
	}
	return res
}

// tell tells the callback of the options, and then the listeners, also where that one panics.
func tell(ctx context.Context, call *holdfast.Call, callback func(context.Context, holdfast.Event), e holdfast.Event) {
	defer call.Tell(ctx, e)
	if callback != nil {
		callback(ctx, e)
	}
}

// event tells of an attempt that did not succeed. Which one the Result says: it may be a
// hedge's of the call.
func event(kind string, level slog.Level, call *holdfast.Call, res holdfast.Result) holdfast.Event {
	return holdfast.Event{
		Kind: kind, Level: level, Policy: "retry", Target: call.Target, Method: call.Method, Attempt: cmp.Or(res.Attempt, call.Attempt),
		Class: res.Class, Code: res.Code, Err: res.Err,
	}
}

// tells reports whether the error of a call whose context has ended says so. It must: that
// the caller gave up just as an attempt was failing must not depend on which was first.
func tells(ctx context.Context, err error) bool {
	return errors.Is(err, ctx.Err()) || errors.Is(err, context.Cause(ctx))
}
