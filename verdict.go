package holdfast

import (
	"context"
	"errors"
	"time"
)

// A Verdict is what is held of one outcome: by a transport, or by a function of the
// user's that classifies.
type Verdict struct {
	Class Class
	Code  Code          // of a function that classifies, "": what the transport calls it
	After time.Duration // as that of a Result; of a function that classifies, 0: what the answer itself says
}

// Mark returns an error that tells Do what err means: its class, and how long
// to wait at least before repeating (below zero: do not repeat). It reads like
// err and unwraps to it; Do takes the mark off and returns err itself. Marking nil gives
// nil. Unmarked errors are Failures. A Sender of one's own needs no mark: it says the same in
// its Result.
func Mark(err error, class Class, after time.Duration) error {
	if err == nil {
		return nil
	}
	if after < 0 {
		after = Never // whoever marks it knows for certain
	}
	return &marked{err, class, after}
}

type marked struct {
	error
	class Class
	after time.Duration
}

func (m *marked) Unwrap() error { return m.error }

// VerdictOf judges an error of an attempt made under ctx, the context that its
// Sender passed on; err may be nil, a Success. It is the one place that tells
// these apart:
//
//   - cancelled by the caller, superseded by another attempt, or ended by a Gate that is
//     closed: Ignored.
//   - out of time, by a limit of ours or by the caller's deadline: a Failure when the
//     server had its chance, else Ignored. It had when the attempt ran for its own
//     limit, or well beyond what the method of the target usually takes: for the
//     retransmission timeout that RFC 6298 makes of the times of successes, twice their
//     mean and 100 ms at least; while fewer than eight are known, 500 ms. Time during
//     which this process stood still is not the server's, which must have as long again
//     after it: a Failure but for that is a LocalPause. Several attempts that had a good
//     part of the chance each, and not a word from the server between them, are a chance
//     together.
//   - marked: what Mark said, also where time has run out meanwhile.
//   - anything else: a Failure.
//
// A Failure with CodeError says that none of these ends the attempt: whoever knows more of
// err, as a transport does, then judges by a table of his own, and in all other cases keeps
// to this verdict. Its After is what Mark said. The time of an attempt that ran out of time is a lower
// bound on the latency, never a sample of it.
func VerdictOf(ctx context.Context, err error) Verdict {
	if err == nil {
		return Verdict{Class: Success, Code: CodeOK}
	}
	m, isMarked := asMarked(err)
	v := Verdict{Class: Failure, Code: CodeError}
	if isMarked {
		v.After = m.after
	}
	switch ended(ctx) {
	case cancelled:
		v.Class, v.Code = Ignored, CodeCancelled
	case superseded:
		v.Class, v.Code = Ignored, CodeSuperseded
	case cutOff:
		v.Class, v.Code = Ignored, CodeClosed
	case outOfTime:
		if isMarked && !isEnd(m.error) { // an answer that came at the last moment is one
			v.Class = m.class
			break
		}
		v.Class, v.Code = Failure, CodeDeadline
		limit := RanOut(ctx)
		if limit != nil {
			v.Code = CodeTimeout
		}
		if limit != nil && limit.Scope == "idle" {
			v.Class = idle(limit.Limit)
		} else if call := CallFrom(ctx); call != nil {
			v.Class = call.OutOfTime()
		}
	case alive:
		switch within, is := toldOf(ctx, err); {
		case isMarked:
			v.Class = m.class
		case is:
			v = within
		case isTimeout(err):
			if v.Class = ownTimeout(ctx); v.Class == LocalPause {
				v.Code = CodeTimeout
			}
		}
	}
	return v
}

func asMarked(err error) (*marked, bool) {
	var m *marked
	ok := errors.As(err, &m)
	return m, ok
}

// unmarked is err without the mark that is around it.
func unmarked(err error) error {
	for {
		m, ok := err.(*marked)
		if !ok {
			return err
		}
		err = m.error
	}
}

func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout()
}

// isEnd reports whether err is the end of a context, and no answer.
func isEnd(err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
}

// A told is what a call within a call has come to: the outer call, whose function returns
// that very error, is judged alike.
type told struct {
	attempt int // of the outer call
	err     error
	verdict Verdict
	before  *told
	n       int // how many there are
}

// maxTold bounds how many calls within one are remembered.
const maxTold = 16

// Within has the call whose attempt ctx belongs to know that a call within it has come to an
// error. It is for transports, which call it with the caller's own context and the Result of the
// whole call, and does nothing where there is no such call, or no error.
//
// Of the verdict the outer call has what it says of the server, and whether what is
// Repeatable may be sent again; never that any call may be: the function of the outer call
// may have done more than that one call.
func Within(ctx context.Context, res Result) {
	outer := CallFrom(ctx)
	if outer == nil || res.Err == nil {
		return
	}
	t := &told{attempt: outer.Attempt, err: res.Err, verdict: Verdict{res.Class, res.Code, res.After}}
	switch res.Class {
	case Refused:
		t.verdict.Class = Failure
	case Conflict:
		t.verdict.Class = Relayed
	case LocalShortage:
		t.verdict.Class = Ignored
	}
	outer.Record.mu.Lock()
	defer outer.Record.mu.Unlock()
	j := outer.Record.journaled()
	t.before, t.n = j.told, 1
	if t.before != nil {
		t.n += t.before.n
	}
	if t.n > maxTold {
		t.before, t.n = nil, 1
	}
	j.told = t
}

// toldOf returns what was told of err within the attempt of ctx. Where several calls came to
// the same error and were judged differently, it is not known whose it is.
func toldOf(ctx context.Context, err error) (v Verdict, is bool) {
	call := CallFrom(ctx)
	if call == nil {
		return v, false
	}
	j := call.Record.journal.Load()
	if j == nil {
		return v, false
	}
	call.Record.mu.Lock()
	t := j.told
	call.Record.mu.Unlock()
	for ; t != nil; t = t.before {
		if t.attempt != call.Attempt || !sameError(err, t.err) {
			continue
		}
		if is && v != t.verdict {
			return Verdict{}, false
		}
		v, is = t.verdict, true
	}
	return v, is
}

// sameError is errors.Is for errors of any type, also of one that looks as if it could be
// compared and cannot.
func sameError(err, target error) (is bool) {
	defer func() {
		if recover() != nil {
			is = false
		}
	}()
	return errors.Is(err, target)
}
