package holdfast

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-go/holdfast/internal/pause"
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
	over       uint32 // 1: its Sender has returned; atomic, and here since Calls are copied before they are sent
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

	chain *chain // what its Handler has learnt; nil: not sent yet
	sent  int64  // when the transport got it, by monotonic(); 0: not yet
	ctx   callContext
}

// A Sender makes one attempt at a time, and may be asked for several at once:
// Send is safe for concurrent use with different Calls. It sends to
// call.Endpoint where that is set. It judges the outcome (Class, Code, After)
// and, where the answer goes on after Send has returned, makes the Reply.
//
// Send returns promptly once ctx is done, and sends nothing when it is done
// already. It passes call.Context(ctx) to whatever is beneath it.
type Sender interface {
	Send(ctx context.Context, call *Call) Result
}

// Again returns a Call for another sending of the same request, with the next
// Attempt number, for a balancer to send where it will. It is safe to call while
// c is under way.
func (c *Call) Again() *Call {
	endpoint := ""
	c.Record.mu.Lock()
	if j := c.Record.journal.Load(); j != nil {
		endpoint = j.pinned
	}
	c.Record.mu.Unlock()
	return &Call{
		Target: c.Target, Method: c.Method, Repeatable: c.Repeatable, Stream: c.Stream, Unary: c.Unary,
		Attempt: int(c.Record.again.Add(1)) + 1, Endpoint: endpoint, Sender: c.Sender, Record: c.Record, Classify: c.Classify,
	}
}

// Context returns a context that carries c for what is beneath the Sender to
// find with CallFrom: a gRPC picker, a nested layer of policies. Only the
// Sender calls it, once; it allocates nothing.
func (c *Call) Context(parent context.Context) context.Context {
	if c.ctx.call != nil && CallFrom(parent) == c {
		return parent // already in it; wrapping it again would make it its own parent
	}
	c.ctx = callContext{parent, c}
	return &c.ctx
}

// CallFrom returns the Call that is being sent under ctx, the nearest where
// several are nested, or nil.
func CallFrom(ctx context.Context) *Call {
	call, _ := ctx.Value(callKey{}).(*Call)
	return call
}

type callKey struct{}

type callContext struct {
	context.Context
	call *Call
}

func (c *callContext) Value(key any) any {
	if key == (callKey{}) {
		return c.call
	}
	return c.Context.Value(key)
}

// Limit notes that a sending of this request may take no longer than d, so that
// ClassOf can tell a server that was given its time from one that was not. The
// shortest limit counts; zero and negative ones are ignored.
func (c *Call) Limit(d time.Duration) {
	for d > 0 {
		old := c.Record.limit.Load()
		if old != 0 && old <= int64(d) || c.Record.limit.CompareAndSwap(old, int64(d)) {
			return
		}
	}
}

// Sent reports whether c reached its Sender. It, SentAt and Ran are for whoever sent
// the Call, once it has returned, and for what is beneath the Sender.
func (c *Call) Sent() bool { return c.sent != 0 }

// SentAt returns when c reached its Sender, or the zero time when it did not.
func (c *Call) SentAt() time.Time {
	if c.sent == 0 {
		return time.Time{}
	}
	return pause.Time(c.sent)
}

// Ran returns the time since c reached its Sender, or 0 when it did not.
func (c *Call) Ran() time.Duration {
	if c.sent == 0 {
		return 0
	}
	return time.Duration(monotonic() - c.sent)
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
		r.journaled().pinned = endpoint
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

// Endpoints returns where the request was sent so far, each once, the first one first;
// none when no balancer has chosen. At most 33 are kept.
func (r *Record) Endpoints() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.first == "" {
		return nil
	}
	list := []string{r.first}
	if j := r.journal.Load(); j != nil {
		list = append(list, j.tried...)
	}
	return list
}

// Attempts returns how many sendings there were so far, or are under way: one, those
// that Again has made, and the Replays that are known.
func (r *Record) Attempts() int { return int(r.again.Load()) + 1 + r.Replays() }

// Replays returns how many sendings the transport has made by itself, beneath all
// policies, as far as its door knows.
func (r *Record) Replays() int { return int(r.marks.Load() / replay) }

// Replayed notes that the transport has sent c once more by itself, and tells. It is
// for doors; ctx is the attempt's. It may be called while c is under way.
func (c *Call) Replayed(ctx context.Context) {
	c.Record.marks.Add(replay)
	if c.Heard() {
		c.Tell(ctx, Replay{c.Target, c.Method, c.Attempt})
	}
}

// hasTried is asked with the lock held.
func (r *Record) hasTried(endpoint string) bool {
	if r.first == endpoint {
		return true
	}
	j := r.journal.Load()
	return j != nil && slices.Contains(j.tried, endpoint)
}

// A Record is what all the attempts of one logical request share: the ledger,
// the endpoints tried, and which policies have a claim on it. The zero Record
// is ready. It is safe for concurrent use and must not be copied.
type Record struct {
	again atomic.Int32  // attempts beyond the first
	marks atomic.Uint32 // claimed and the like, and how often it was replayed
	limit atomic.Int64  // the shortest time limit set on an attempt; 0: none

	listener atomic.Pointer[Listener] // the innermost; nil: nobody listens

	mu      sync.Mutex
	held    Hook                    // what it holds; more is in journal
	first   string                  // the endpoint that was tried first
	journal atomic.Pointer[journal] // written under mu
}

// The marks of a Record.
const (
	claimed  = 1 << iota // a policy of this chain repeats the call
	repeated             // a layer further in has repeated it
	lent                 // what it holds is lent to a call within it
	probing              // calls within it are sent once
	replay               // one of the transport's own; they are counted in the bits from here on
)

// mark sets a mark, and reports whether it was not set before.
func (r *Record) mark(m uint32) bool { return r.marks.Or(m)&m == 0 }

func (r *Record) marked(m uint32) bool { return r.marks.Load()&m != 0 }

// A journal is what few calls need of their Record: nil while one attempt is
// enough, and is sent where the Target says.
type journal struct {
	attempts []Attempt
	omitted  int
	stopped  string
	tried    []string // endpoints beyond the first
	pinned   string   // the endpoint of all attempts
	told     *told    // what a call within this one has said of an error
	held     []holding
}

// journaled returns the journal, made if need be; the lock is held.
func (r *Record) journaled() *journal {
	j := r.journal.Load()
	if j == nil {
		j = new(journal)
		r.journal.Store(j)
	}
	return j
}

// Claim asks to be the policy that repeats this call when it fails; the first to ask is.
// A second one further in learns that it is not, and sends once, so that layers do not
// multiply attempts. A policy that will not repeat failures does not ask.
func (r *Record) Claim() bool { return r.mark(claimed) }

// Claimed reports whether a policy repeats this call when it fails.
func (r *Record) Claimed() bool { return r.marked(claimed) }

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
// within, when that one is a Probe, and when a layer further in has repeated it.
// ctx is the context that the policy got.
//
// A call is made within the one whose context it has, until that one's attempt is
// over. What goes on without it (context.WithoutCancel, a goroutine that is left
// behind) repeats for itself.
func (c *Call) MayRepeat(ctx context.Context) (why string, ok bool) {
	if ctx.Value(noRepeatKey{}) != nil {
		return "repeats are switched off by the context", false
	}
	if !c.Repeatable && c.Record.marked(repeated) {
		return "a layer further in has repeated it", false
	}
	for outer := outside(ctx, c); outer != nil; outer = outside(outer.ctx.Context, c) {
		switch {
		case !outer.encloses(ctx):
		case outer.Record.marked(probing):
			return "it is made within a probe", false
		case outer.Repeatable && outer.Record.marked(claimed):
			return "an outer layer repeats it", false
		}
	}
	return "", true
}

// encloses reports whether a call under ctx is made within c, which is being sent. It is not
// where ctx cannot end when c's does: it has no end, a later one, or c's has ended already.
func (c *Call) encloses(ctx context.Context) bool {
	if atomic.LoadUint32(&c.over) != 0 || c.ctx.Err() != nil && ctx.Err() == nil || ctx.Done() == nil && c.ctx.Done() != nil {
		return false
	}
	outer, limited := c.ctx.Deadline()
	inner, also := ctx.Deadline()
	return !limited || also && !inner.After(outer)
}

// repeats notes at the calls which c is made within that it is being repeated.
func (c *Call) repeats(ctx context.Context) {
	for outer := outside(ctx, c); outer != nil; outer = outside(outer.ctx.Context, c) {
		outer.Record.mark(repeated)
	}
}

// outside returns the nearest Call in ctx that is another request than c's.
func outside(ctx context.Context, c *Call) *Call {
	outer := CallFrom(ctx)
	for outer != nil && outer.Record == c.Record {
		outer = CallFrom(outer.ctx.Context)
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

// monotonic is a clock that costs half of time.Now. It is never 0.
func monotonic() int64 { return pause.Now() | 1 }
