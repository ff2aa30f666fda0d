package timeout

import (
	"context"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/clock"
)

func (t *Timeout) handler(at holdfast.Place, next holdfast.Handler) holdfast.Handler {
	return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
		t := t
		if asks := askedBy(ctx); asks != nil {
			limit := asks.Attempt
			if around(at, call) {
				limit = asks.Call
			}
			if limit != 0 {
				own := t.as(limit)
				t = &own
			}
		}
		if t.limit == 0 && t.idle == 0 {
			return next(ctx, call)
		}
		began := clock.Now()
		left := left(ctx, began)
		if left < t.floor && ctx.Err() == nil {
			return tooLate(ctx, left, t.floor)
		}
		b, late := t.bound(call, began, around(at, call))
		if late > 0 {
			tellLate(ctx, call, late)
		}
		if t.ifNone && left != never {
			b.limit = 0
		}
		call.Limit(b.limit)
		if b.limit >= left {
			b.limit = 0 // the caller's own deadline comes first
		}
		if b.idle >= left {
			b.idle = 0
		}
		if b.limit == 0 && b.idle == 0 && b.learns == nil {
			return next(ctx, call) // and nothing is ours to let go of
		}
		c := &bounded{terms: b, parent: ctx, call: call}
		// A call without a limit of its own must see the outer one as a deadline.
		if p, ok := ctx.(*bounded); ok && p.fixed() && (c.limit > 0 || !c.unary) {
			c.outer = p
		}
		return c.run(next)
	}
}

// around reports whether a limit at a place is around the whole call.
func around(at holdfast.Place, call *holdfast.Call) bool {
	return !at.Attempt && !call.Record.Claimed()
}

// bound says what of t holds for this call, which begins now. late is as of adaptive.hold.
func (t *Timeout) bound(call *holdfast.Call, began int64, whole bool) (b terms, late uint64) {
	stream := call.Stream && !call.Unary
	b = terms{began: began, limit: t.limit, idle: t.idle, unary: call.Unary, stream: stream, whole: whole, named: !t.unnamed, streams: t.streams}
	if t.adaptive != nil && !stream {
		b.learns = t.adaptive
		b.limit, b.of, late = t.adaptive.hold(call.Target, began)
	} else if whole && stream && !t.streams {
		b.limit = 0
	}
	if call.Unary || (b.whole || stream) && t.unnamed {
		b.idle = 0
	}
	return b, late
}

// run sends the call under c and sees to it that c is let go of on every path.
func (c *bounded) run(next holdfast.Handler) holdfast.Result {
	kept := false
	defer func() {
		if !kept { // next has panicked or left its goroutine, or nothing is open
			c.release()
		}
	}()
	res := next(c, c.call)
	if c.unary || res.Reply == nil {
		c.sample(res.Class)
		return res
	}
	inTime := true
	if !c.whole && !res.Stream {
		c.sample(res.Class)
	}
	if !c.whole || c.idle > 0 || res.Stream {
		inTime = c.answered(res)
	} else {
		c.reading()
	}
	if c.idleNow() > 0 {
		res.OnDone((*watch)(c), 0)
	} else {
		res.OnDone((*hook)(c), 0) // no progress need be told
	}
	kept = true
	if !inTime && !c.released() {
		// A limit ran out as the answer came, this one or the one outside: what is behind the
		// answer is cut off, and a policy further out can still repeat the call.
		res.Discard()
		return holdfast.Result{Err: context.Cause(c), Class: c.verdict(), Code: holdfast.CodeTimeout}
	}
	return res
}

// verdict is that on an attempt which this limit has ended.
func (c *bounded) verdict() holdfast.Class { return c.call.OutOfTime() }
