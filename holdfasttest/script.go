package holdfasttest

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/holdfast-go/holdfast"
)

// A Script is a transport whose attempts end as its Steps say. It remembers what
// was sent, so that Verify can tell how a policy treated it. The zero Script
// answers everything. It may serve many calls, also at once.
type Script struct {
	// Steps are what becomes of attempt 1, 2, … of each call, by Call.Attempt;
	// the last one holds for all further attempts.
	Steps []Step

	mu       sync.Mutex
	sendings []*Sending
	seen     map[*holdfast.Call]bool
	callers  []*caller
	wrong    []string
}

// A Sending is one attempt that reached a Script.
type Sending struct {
	Call   *holdfast.Call
	Start  time.Time
	End    time.Time // when Send returned; zero while it has not
	Result holdfast.Result

	attempt int
	ctx     context.Context // the one that Send got
	notSent bool            // it was done already, so that nothing was sent
}

var _ holdfast.Sender = (*Script)(nil)

// Do sends call, the Sender of which it sets, through h and returns what h
// returned. The context that h gets is ctx, and counts what is derived from it.
func (s *Script) Do(ctx context.Context, h holdfast.Handler, call holdfast.Call) holdfast.Result {
	call.Sender = s
	if call.Record == nil {
		call.Record = new(holdfast.Record)
	}
	if call.Attempt == 0 {
		call.Attempt = 1
	}
	c := newCaller(ctx, &call)
	s.mu.Lock()
	s.callers = append(s.callers, c)
	s.mu.Unlock()
	return h(c, &call)
}

// Send makes one attempt.
func (s *Script) Send(ctx context.Context, call *holdfast.Call) holdfast.Result {
	sending := &Sending{
		Call: call, Start: time.Now(), attempt: call.Attempt, ctx: ctx, notSent: ctx.Err() != nil,
	}
	s.mu.Lock()
	s.note(ctx, call)
	s.sendings = append(s.sendings, sending)
	s.mu.Unlock()
	ctx = call.Context(ctx)
	var res holdfast.Result
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		sending.End, sending.Result = time.Now(), res
	}()
	if sending.notSent {
		res = ended(ctx)
	} else {
		res = s.step(call.Attempt).run(ctx, call)
	}
	return res
}

func (s *Script) step(attempt int) Step {
	if len(s.Steps) == 0 {
		return Step{}
	}
	return s.Steps[min(max(attempt, 1), len(s.Steps))-1]
}

// Sendings returns the attempts that were sent, in the order in which they came.
func (s *Script) Sendings() []Sending {
	s.mu.Lock()
	defer s.mu.Unlock()
	var sent []Sending
	for _, x := range s.sendings {
		if !x.notSent {
			sent = append(sent, *x)
		}
	}
	return sent
}

// note enters what is wrong with a sending. s.mu is held.
func (s *Script) note(ctx context.Context, call *holdfast.Call) {
	if s.seen == nil {
		s.seen = map[*holdfast.Call]bool{}
	}
	if s.seen[call] {
		s.breach("the same Call was sent twice: pass call.Again() for another sending")
	}
	s.seen[call] = true
	for _, x := range s.sendings {
		if x.Call != call && x.Call.Record == call.Record && x.attempt == call.Attempt {
			s.breach("attempt %d was sent twice, by two Calls: pass call.Again() and no copy", call.Attempt)
		}
	}
	c, ok := ctx.Value(callerKey{}).(*caller)
	if !ok {
		if len(s.callers) > 0 {
			s.breach("the values of the caller's context are hidden from the attempt")
		}
		return
	}
	s.compare(ctx, c, call)
}

// compare tells what a policy has done to things of the caller. s.mu is held.
func (s *Script) compare(ctx context.Context, c *caller, call *holdfast.Call) {
	was := c.was
	if call.Target != was.Target || call.Method != was.Method || call.Repeatable != was.Repeatable ||
		call.Stream != was.Stream || call.Unary != was.Unary {
		s.breach("what the Call says of the request was changed: %s", difference(&was, call))
	}
	if call.Record != was.Record {
		s.breach("the attempt does not share the Record of its call: pass call.Again() and no Call of your own making")
	}
	theirs, bounded := c.Deadline()
	if mine, ok := ctx.Deadline(); bounded && (!ok || mine.After(theirs)) {
		s.breach("the attempt has more time than the caller's deadline leaves")
	}
}

func (s *Script) breach(format string, args ...any) {
	s.wrong = append(s.wrong, fmt.Sprintf(format, args...))
}

func difference(a, b *holdfast.Call) string {
	show := func(c *holdfast.Call) string {
		return fmt.Sprintf("{Target: %q, Method: %q, Repeatable: %v, Stream: %v, Unary: %v}", c.Target, c.Method, c.Repeatable, c.Stream, c.Unary)
	}
	return show(a) + " became " + show(b)
}
