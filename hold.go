package holdfast

import (
	"context"
	"log/slog"
	"sync"
)

// Track sends c by next and tells h once, with the token, when the call is over: at the end of
// its Reply; with the Result's verdict where nothing is left to be read; and with the Code
// "panic" when next panics or leaves its goroutine.
func (c *Call) Track(ctx context.Context, next Handler, h Hook, token uint64) (res Result) {
	returned := false
	defer func() {
		if !returned {
			h.Done(token, End{Code: CodePanic})
		}
	}()
	res = next(ctx, c)
	returned = true
	c.track(res, h, token)
	return res
}

func (c *Call) track(res Result, h Hook, token uint64) {
	if res.Reply == nil || c.Unary {
		h.Done(token, End{Class: res.Class, Code: res.Code, Err: res.Err})
	} else {
		res.OnDone(h, token)
	}
}

// Hold is Track for a policy that has something for the time of a call, such as a place, which
// the end of the call gives back. Calls that are made within c can Share it, and it is not given
// back before they are over. h is a pointer, and what is held is known by it: let it be the same
// one for Hold and for Share, and one for each thing of which there are places, such as a target.
func (c *Call) Hold(ctx context.Context, next Handler, h Hook, token uint64) (res Result) {
	at := c.Record.hold(h, false)
	returned := false
	defer func() {
		h := c.Record.unhold(at, h)
		if !returned {
			h.Done(token, End{Code: CodePanic})
		} else {
			c.track(res, h, token)
		}
	}()
	res = next(ctx, c)
	returned = true
	return res
}

// Probe sends c by next, as a call by whose outcome something is decided that concerns other
// calls, such as whether a circuit closes. Calls that are made within it can Share h, which stands
// for the leave to send; they are sent once.
func (c *Call) Probe(ctx context.Context, next Handler, h Hook) Result {
	at := c.Record.hold(h, true)
	defer c.Record.unhold(at, h)
	return next(ctx, c)
}

// Share sends c by next with what h stands for, when c is made within a call that holds it and
// has not lent it to another call: it is lent to c until c is over, and calls that are made
// within c can share it in turn. A policy that would have c wait for what the outer call has, or
// reject it for that, shares it instead: a client that logs in on the connection of its first
// command makes a call within a call. ctx is the context that the policy got.
//
// Where it is lent to another call, ok is false, and free is closed when it has come back: ask
// again then. Where no outer call holds it, free is nil: wait as for any other place. Since Share
// sends the call, ask before the call is put into a queue of yours, or take it out first.
func (c *Call) Share(ctx context.Context, next Handler, h Hook) (res Result, ok bool, free <-chan struct{}) {
	for outer := outside(ctx, c); outer != nil && h != nil; outer = outside(outer.within, c) {
		if !outer.encloses(ctx) {
			continue
		}
		l, lent := outer.Record.lend(h)
		if lent {
			if l.once {
				c.Record.mark(once)
			}
			return c.Hold(ctx, next, l, 0), true, nil
		}
		if l != nil {
			return res, false, l.back
		}
	}
	return res, false, nil
}

// Reject answers c in the place of sending it, and tells who listens: for a policy that does not
// let a call through. why has its Policy, Code, Reason and Err; that it is a rejection, a
// warning, and the Target and Method are filled in. The Result is Ignored, since it says nothing
// of a server, and has the Code and the Err of why.
//
// A why without a Code, and with context.Cause(ctx) as its Err, is for a call whose time runs out,
// or whose caller goes, while the policy has it wait: nobody has rejected it, nobody is told, and
// the Result has the code of that (CodeTimeout, CodeDeadline, CodeCancelled). Where the Err is
// ErrClosed it is a rejection, with CodeClosed.
func (c *Call) Reject(ctx context.Context, why Event) Result {
	if why.Code == "" {
		if why.Err != ErrClosed {
			return Result{Err: why.Err, Class: Ignored, Code: VerdictOf(ctx, why.Err).Code}
		}
		why.Code, why.Reason = CodeClosed, "closed"
	}
	if c.Heard() {
		why.Kind, why.Level, why.Target, why.Method = "rejection", slog.LevelWarn, c.Target, c.Method
		c.Tell(ctx, why)
	}
	return Result{Err: why.Err, Class: Ignored, Code: why.Code}
}

// A holding is what a request holds while it is sent.
type holding struct {
	hook Hook
	once bool  // calls that share it are sent once
	loan *loan // nil: it is not lent
}

// A loan is what a call has of the holding of an outer one. As a Hook it comes back when that
// call is over; and in the place of the holder's own hook, where the holder is over before, it
// keeps that waiting until then.
type loan struct {
	hook Hook // the same as the holding's, for calls within the one that has it
	once bool
	of   *Record
	back chan struct{} // closed when it comes back

	mu      sync.Mutex
	over    bool   // the call that has it is
	pending func() // what the holder's end has left to do
}

// hold notes that the request holds h. It returns where, for unhold.
func (r *Record) hold(h Hook, once bool) (at int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if l, is := h.(*loan); is { // what is shared is known by the first holder's hook
		h, once = l.hook, l.once
	}
	if r.held == nil && !once {
		r.held = h
		return 0
	}
	j := r.journaled()
	for i := range j.held {
		if j.held[i].hook == nil {
			j.held[i] = holding{h, once, nil}
			return i + 1
		}
	}
	j.held = append(j.held, holding{h, once, nil})
	return len(j.held)
}

// unhold notes that the request holds h no more. It returns the hook that is to be told of the
// end: h, or where it is lent one that tells h when it has come back, too.
func (r *Record) unhold(at int, h Hook) Hook {
	r.mu.Lock()
	defer r.mu.Unlock()
	j := r.journal.Load()
	var l *loan
	switch {
	case at > 0:
		l = j.held[at-1].loan
		j.held[at-1] = holding{}
	case j != nil:
		l, j.lent = j.lent, nil
		fallthrough
	default:
		r.held = nil
	}
	if l == nil {
		return h
	}
	return &lentOut{h, l}
}

// lend lends what h stands for, unless it is lent: then it returns that loan, and false.
func (r *Record) lend(h Hook) (l *loan, lent bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.held == h {
		j := r.journaled()
		if l = j.lent; l == nil {
			j.lent = &loan{hook: h, of: r, back: make(chan struct{})}
			return j.lent, true
		}
	}
	j := r.journal.Load()
	for i := 0; j != nil && i < len(j.held); i++ {
		switch held := &j.held[i]; {
		case held.hook != h:
		case held.loan == nil:
			held.loan = &loan{hook: h, once: held.once, of: r, back: make(chan struct{})}
			return held.loan, true
		default:
			l = held.loan
		}
	}
	return l, false
}

// Done gives the loan back.
func (l *loan) Done(uint64, End) {
	r := l.of
	r.mu.Lock()
	j := r.journal.Load()
	if j.lent == l { // else it is held no more
		j.lent = nil
	}
	for i := range j.held {
		if j.held[i].loan == l {
			j.held[i].loan = nil
		}
	}
	r.mu.Unlock()
	l.mu.Lock()
	pending := l.pending
	l.over, l.pending = true, nil
	l.mu.Unlock()
	close(l.back)
	if pending != nil {
		pending()
	}
}

// A lentOut is the hook of a holder whose holding is lent when it has been sent.
type lentOut struct {
	hook Hook
	loan *loan
}

// Done tells the holder's own hook, now or when the loan has come back.
func (o *lentOut) Done(token uint64, end End) {
	o.loan.mu.Lock()
	if !o.loan.over {
		o.loan.pending = func() { o.hook.Done(token, end) }
		o.loan.mu.Unlock()
		return
	}
	o.loan.mu.Unlock()
	o.hook.Done(token, end)
}
