package holdfast

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/holdfast-go/holdfast/internal/clock"
)

// A Call is one sending of one logical request. What all the sendings of the
// request share is in its Record.
//
// A door fills a Call in; a policy reads it, and passes call.Again() to send the
// request another time. A Call belongs to one goroutine at a time and is passed
// down at most once.
type Call struct {
	Target     string // who is called: "users.internal:443"
	Method     string // what is asked: "GET", "/users.v1.Users/Get"
	Repeatable bool   // sending it twice does no harm, and the transport can
	Stream     bool   // it goes on after its first message: no time limit fits it but an idle one
	Unary      bool   // it is over when its Result is there: nothing is left to be read
	Hedge      bool   // sent beside an earlier attempt that is still under way
	state      uint32 // waited and over; atomic, and no atomic.Uint32 since Calls are copied before they are sent
	Attempt    int    // 1 for the first sending, then 2, 3, …; unique within the logical request
	Endpoint   string // the address chosen by a balancer; empty: the Target itself
	Sender            // the transport

	// Classify says what an error of a plain function means, for Do: where it returns
	// true, its Verdict holds, and not that of Mark or Failure. It is not asked about
	// attempts that the caller, a time limit or another attempt has ended. It must be
	// safe for concurrent use. nil: Mark alone. Transports have one of their own.
	Classify func(err error) (Verdict, bool)

	// Record is what the attempts of one request share. A door points it at
	// a Record beside its Call, so that both are one allocation; Chain makes
	// one where it is nil.
	Record *Record

	chain  *chain          // what its Handler has learnt; nil: not sent yet
	sent   int64           // when the transport got it, by clock.Now(); 0: not yet
	within context.Context // that the Sender got; nil: it has not asked for one that carries the Call
}

// The states of a Call.
const (
	waited = 1 << iota // for something of this process
	over               // its Sender has returned
	unsent             // which has sent nothing
)

func (c *Call) is(state uint32) bool { return atomic.LoadUint32(&c.state)&state != 0 }

// becomes is for the one goroutine that has the Call.
func (c *Call) becomes(state uint32) {
	atomic.StoreUint32(&c.state, atomic.LoadUint32(&c.state)|state)
}

// A Sender makes one attempt at a time, and may be asked for several at once:
// Send is safe for concurrent use with different Calls. It sends to
// call.Endpoint where that is set. It judges the outcome (Class, Code, After)
// and, where the answer goes on after Send has returned, makes the Reply.
//
// Send returns promptly once ctx is done, and sends nothing when it is done
// already, which it notes by call.Unsent. It passes call.Context(ctx) to whatever is
// beneath it.
type Sender interface {
	Send(ctx context.Context, call *Call) Result
}

// Again returns a Call for another sending of the same request, with the next
// Attempt number, for a balancer to send where it will. It is safe to call while
// c is under way.
func (c *Call) Again() *Call {
	endpoint := c.Record.pinnedTo()
	return &Call{
		Target: c.Target, Method: c.Method, Repeatable: c.Repeatable, Stream: c.Stream, Unary: c.Unary,
		Attempt: int(c.Record.again.Add(1)) + 1, Endpoint: endpoint, Sender: c.Sender, Record: c.Record, Classify: c.Classify,
	}
}

// Context returns a context that carries c for what is beneath the Sender to
// find with CallFrom: a gRPC picker, a nested layer of policies. Only the
// Sender calls it, once; it allocates nothing.
func (c *Call) Context(parent context.Context) context.Context {
	if c.within != nil && CallFrom(parent) == c {
		return parent // already in it; wrapping it again would make it its own parent
	}
	c.within = parent
	return (*callContext)(c)
}

// CallFrom returns the Call that is being sent under ctx, the nearest where
// several are nested, or nil.
func CallFrom(ctx context.Context) *Call {
	call, _ := ctx.Value(callKey{}).(*Call)
	return call
}

type callKey struct{}

// A callContext is a Call as the context that carries it: no pointer to it is kept.
type callContext Call

func (c *callContext) Deadline() (time.Time, bool) { return c.within.Deadline() }
func (c *callContext) Done() <-chan struct{}       { return c.within.Done() }
func (c *callContext) Err() error                  { return c.within.Err() }

// String describes the context without looking into what others write to.
func (c *callContext) String() string { return fmt.Sprintf("%v.holdfast", c.within) }

func (c *callContext) Value(key any) any {
	if key == (callKey{}) {
		return (*Call)(c)
	}
	return c.within.Value(key)
}

// Limit notes that a sending of this request may take no longer than d, so that
// VerdictOf can tell a server that was given its time from one that was not. The
// shortest limit counts; zero and negative ones are ignored.
func (c *Call) Limit(d time.Duration) {
	for d > 0 {
		old := c.Record.limit.Load()
		if old != 0 && old <= int64(d) || c.Record.limit.CompareAndSwap(old, int64(d)) {
			return
		}
	}
}

// Waited notes that a policy has c wait for something of this process, such as a place: when its
// time has run out by when it reaches its Sender, no server has spent it. Call it when the wait
// begins.
func (c *Call) Waited() { c.becomes(waited) }

// Unsent notes that nothing of c is sent, though it has reached its Sender: the context was
// done by then, or the body could not be had. Only the Sender calls it. What was granted to c
// for being sent, such as the token of a budget, goes back.
func (c *Call) Unsent() { c.becomes(unsent) }

// Sent reports whether c reached its Sender, and was not Unsent. It and Ran are for whoever
// sent the Call, once it has returned, and for what is beneath the Sender.
func (c *Call) Sent() bool { return c.sent != 0 && !c.is(unsent) }

// SentAt returns when c reached its Sender, or the zero time when it did not.
func (c *Call) SentAt() time.Time {
	if !c.Sent() {
		return time.Time{}
	}
	return clock.Time(c.sent)
}

// Ran returns the time since c reached its Sender, or 0 when it did not.
func (c *Call) Ran() time.Duration {
	if !c.Sent() {
		return 0
	}
	return time.Duration(clock.Now() - c.sent)
}

// SendTo sets the Endpoint of this sending and notes it as tried.
func (c *Call) SendTo(endpoint string) { c.choose(endpoint, false) }

// Pin is SendTo for all attempts of the request: for a balancer that stands outside the
// policies that make them.
func (c *Call) Pin(endpoint string) { c.choose(endpoint, true) }

func (c *Call) choose(endpoint string, forAll bool) {
	c.Endpoint = endpoint
	r := c.Record
	r.mu.Lock()
	defer r.mu.Unlock()
	if forAll {
		r.pin(endpoint)
	}
	switch {
	case r.first == "":
		r.first = endpoint
	case !r.hasTried(endpoint):
		if j := r.journaled(); len(j.tried) < maxLedger {
			j.tried = append(j.tried, endpoint)
		}
	}
}

// Tried reports whether any attempt of the request was sent to the endpoint.
func (c *Call) Tried(endpoint string) bool {
	r := c.Record
	r.mu.Lock()
	defer r.mu.Unlock()
	return endpoint != "" && r.hasTried(endpoint)
}

// Replayed notes that the transport has sent c once more by itself, and tells. It is
// for doors; ctx is the attempt's. It may be called while c is under way.
func (c *Call) Replayed(ctx context.Context) {
	c.Record.marks.Add(replay)
	if c.Heard() {
		c.Tell(ctx, Event{Kind: "replay", Level: slog.LevelDebug, Policy: "transport", Target: c.Target, Method: c.Method, Attempt: c.Attempt})
	}
}
