package holdfast

import (
	"math"
	"time"
)

// A Result is what became of one sending of a Call. The zero Class is Ignored,
// so that a Result whose maker forgot it harms nobody.
type Result struct {
	// Reply is the transport's response, nil exactly when there is an Err.
	// Whoever does not return the Result calls Discard.
	Reply Reply
	// Err is the transport's own error, or a policy's; nil exactly when there is
	// a Reply.
	Err error
	// Class is the transport's verdict; policies decide by it alone.
	Class Class
	// Stream says that the answer goes on after it has begun, with pauses that no time
	// limit fits, as the answer itself shows where the call did not (Call.Stream): a
	// transport sets it, and limits of time hold for it as they do for a stream.
	Stream bool
	// Attempt is the number of the attempt that the Result is of (Call.Attempt), also
	// when a policy has put its error into one of its own. 0: a policy has made the
	// Result itself. Chain fills it in.
	Attempt int
	// Code names the outcome for people and metrics. It is one of few values.
	Code Code
	// After is the server's wish: above zero, repeat no sooner; below zero, do
	// not repeat. Never is the word of the server, or of whoever knows for
	// certain; any other negative value is the transport's own caution, which a
	// policy that was told better (retry.Options.Codes) may overrule.
	After time.Duration
}

// Never is the After of what must not be repeated.
const Never = time.Duration(math.MinInt64)

// Discard lets go of the Reply, if there is one.
func (r Result) Discard() {
	if r.Reply != nil {
		r.Reply.Discard()
	}
}

// OnDone has h told when the call is over: at the end of the Reply, or at once,
// with the Result's own verdict, when there is none. A nil h is ignored.
func (r Result) OnDone(h Hook, token uint64) {
	switch {
	case h == nil:
	case r.Reply != nil:
		r.Reply.OnDone(h, token)
	default:
		h.Done(token, End{Class: r.Class, Code: r.Code, Err: r.Err})
	}
}

// A Reply is a transport's response on its way to the caller. Policies may only
// let go of it or learn of its end. Its methods are safe for concurrent use.
type Reply interface {
	// Discard ends a Reply that nobody will read: it frees what the Reply holds
	// and runs its hooks. Only the first call of several does anything, and none
	// does after the end.
	Discard()
	// OnDone registers a hook. Hooks run in the order of registration, which is
	// innermost first, each exactly once, and one that panics stops no other.
	// One that comes after the end runs at once.
	OnDone(h Hook, token uint64)
}

// A Keeper is a Reply that can be put by: the answer of an attempt that is to be made
// again, which the caller gets all the same when there is no further answer. A Reply
// that is none is discarded instead.
type Keeper interface {
	Reply
	// Keep takes the beginning of what is left into memory, lets go of all else that
	// the Reply holds and runs its hooks. It takes no longer than Discard. The Reply
	// can still be returned; when it is not, Discard lets go of the memory.
	Keep()
}

// Keep puts the Reply by, or discards it. It reports whether the Result can still be
// returned, as one with an error always can.
func (r Result) Keep() bool {
	switch reply := r.Reply.(type) {
	case nil:
		return r.Err != nil
	case Keeper:
		reply.Keep()
		return true
	default:
		reply.Discard()
		return false
	}
}

// A Hook is told of the end of a Reply. It is a value with a token, and not a
// closure, so that a policy registers itself and allocates nothing. It may run
// on any goroutine.
type Hook interface {
	Done(token uint64, end End)
}

// A ProgressHook is a Hook that also learns how a Reply progresses, which is what an
// idle limit needs. Progress(token, true) says that the reader has begun to wait
// for the server; Progress(token, false) that something has arrived.
type ProgressHook interface {
	Hook
	Progress(token uint64, waiting bool)
}

// An End tells how a Reply ended. One that was read to its end, or closed early
// by its reader, has the Class that its Result had. One that broke off is a
// Failure; one ended by the caller's cancel or by a won hedge is Ignored; one
// ended by a time limit is what VerdictOf says.
type End struct {
	Class Class
	Code  Code
	Err   error // nil when it was read to its end or closed early
	Bytes int64 // of the body that were read; 0 where the transport has no such thing
}
