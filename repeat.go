package holdfast

import (
	"context"
)

// A Replayer is a Sender that can become unable to send its call again, such as one
// whose request body was longer than could be kept.
type Replayer interface {
	// Replayable reports whether the call can be sent again, and why not. It may be
	// asked while attempts are under way.
	Replayable() (why string, ok bool)
}

// Replayable reports whether the Sender can send the call again, and why not.
func (c *Call) Replayable() (why string, ok bool) {
	if r, is := c.Sender.(Replayer); is {
		return r.Replayable()
	}
	return "", true
}

// MayRepeat asks leave to repeat the call once more, beyond what its Result
// says. It is refused, with the reason, when the caller has switched repeats
// off (WithoutRepeats), when an outer layer repeats the call that c is made
// within, when c shares the leave of a Probe, and when a layer further in has
// repeated it, and when the Gate that it has passed is closed.
// ctx is the context that the policy got.
//
// A call is made within the one whose context it has, until that one's attempt is
// over. What goes on without it (context.WithoutCancel, a goroutine that is left
// behind) repeats for itself.
func (c *Call) MayRepeat(ctx context.Context) (why string, ok bool) {
	if ctx.Value(noRepeatKey{}) != nil {
		return "repeats are switched off by the context", false
	}
	if c.closed(ctx) {
		return "the client is closed", false
	}
	if c.Record.marked(once) {
		return "it is made within a probe", false
	}
	if !c.Repeatable && c.Record.marked(repeated) {
		return "a layer further in has repeated it", false
	}
	for outer := outside(ctx, c); outer != nil; outer = outside(outer.within, c) {
		if outer.Repeatable && outer.Record.marked(claimed) && outer.encloses(ctx) {
			return "an outer layer repeats it", false
		}
	}
	return "", true
}

// encloses reports whether a call under ctx is made within c, which is being sent. It is not
// where ctx cannot end when c's does: it has no end, a later one, or c's has ended already.
func (c *Call) encloses(ctx context.Context) bool {
	if c.is(over) || c.within.Err() != nil && ctx.Err() == nil || ctx.Done() == nil && c.within.Done() != nil {
		return false
	}
	outer, limited := c.within.Deadline()
	inner, also := ctx.Deadline()
	return !limited || also && !inner.After(outer)
}

// repeats notes at the calls which c is made within that it is being repeated.
func (c *Call) repeats(ctx context.Context) {
	for outer := outside(ctx, c); outer != nil; outer = outside(outer.within, c) {
		if outer.encloses(ctx) {
			outer.Record.mark(repeated)
		}
	}
}

// outside returns the nearest Call in ctx that is another request than c's.
func outside(ctx context.Context, c *Call) *Call {
	outer := CallFrom(ctx)
	for outer != nil && outer.Record == c.Record {
		outer = CallFrom(outer.within)
	}
	return outer
}

type noRepeatKey struct{}

// WithoutRepeats returns a context under which no policy sends a call more than
// once, not even one that was refused: for a request that is itself a repeat,
// made by a caller further up.
func WithoutRepeats(ctx context.Context) context.Context {
	return context.WithValue(ctx, noRepeatKey{}, true)
}
