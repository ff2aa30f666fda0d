package holdfast

import "context"

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
	if res.Reply == nil || c.Unary {
		h.Done(token, End{Class: res.Class, Code: res.Code, Err: res.Err})
	} else {
		res.OnDone(h, token)
	}
	return res
}

// Hold is Track for a policy that has something for the time of a call, such as a place, which
// the end of the call gives back. While next runs, calls that are made within c can Borrow it.
// h is a pointer.
func (c *Call) Hold(ctx context.Context, next Handler, h Hook, token uint64) Result {
	at := c.Record.hold(h)
	defer c.Record.unhold(at)
	return c.Track(ctx, next, h, token)
}

// Borrow reports whether c is made within a call that Holds h and has not lent it to another
// call; then it is lent to c until back is called. A policy that would wait for what the outer
// call has, or be rejected for it, borrows it instead: a client that logs in on the connection of
// its first command makes a call within a call. ctx is the context that the policy got.
func (c *Call) Borrow(ctx context.Context, h Hook) (back func(), ok bool) {
	for outer := outside(ctx, c); outer != nil; outer = outside(outer.ctx.Context, c) {
		if !outer.encloses(ctx) {
			continue
		}
		if back, ok = outer.Record.lend(h); ok {
			return back, true
		}
	}
	return nil, false
}

// Probe sends c by next, as a call by whose outcome something is decided that concerns other
// calls, such as whether a circuit closes. What is made within it is not repeated, and not
// hedged, and can Borrow h, which stands for the leave to send.
func (c *Call) Probe(ctx context.Context, next Handler, h Hook) Result {
	at := c.Record.hold(h)
	c.Record.mark(probing)
	defer func() {
		c.Record.marks.And(^uint32(probing))
		c.Record.unhold(at)
	}()
	return next(ctx, c)
}

// Reject answers c in the place of sending it, and tells who listens: for a policy that does not
// let a call through. r says who rejects it, why, and with which error; Target and Method are
// filled in. The Result is Ignored, since it says nothing of a server, and has r's Code. Where r
// has none the call's time has run out, or the caller has gone, while the policy had it wait:
// nobody has rejected it then, and the Result has the code of that.
func (c *Call) Reject(ctx context.Context, r Rejection) Result {
	if r.Code == "" {
		return Result{Err: r.Err, Class: Ignored, Code: CodeOf(ctx, r.Err)}
	}
	if c.Heard() {
		r.Target, r.Method = c.Target, c.Method
		c.Tell(ctx, r)
	}
	return Result{Err: r.Err, Class: Ignored, Code: r.Code}
}

// A holding is what a request holds while it is sent.
type holding struct {
	hook Hook
	lent bool
}

// hold notes that the request holds h. It returns where, for unhold.
func (r *Record) hold(h Hook) (at int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.held == nil {
		r.held = h
		return 0
	}
	j := r.journaled()
	for i := range j.held {
		if j.held[i].hook == nil {
			j.held[i] = holding{h, false}
			return i + 1
		}
	}
	j.held = append(j.held, holding{h, false})
	return len(j.held)
}

func (r *Record) unhold(at int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if at == 0 {
		r.held = nil
		r.marks.And(^uint32(lent))
		return
	}
	r.journaled().held[at-1] = holding{}
}

func (r *Record) lend(h Hook) (back func(), ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.held == h && r.mark(lent) {
		return func() { r.takeBack(h, 0) }, true
	}
	j := r.journal.Load()
	for i := 0; j != nil && i < len(j.held); i++ {
		if l := &j.held[i]; l.hook == h && !l.lent {
			l.lent = true
			return func() { r.takeBack(h, i+1) }, true
		}
	}
	return nil, false
}

// takeBack ends a loan, unless what was lent is held no more.
func (r *Record) takeBack(h Hook, at int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case at > 0:
		if l := &r.journaled().held[at-1]; l.hook == h {
			l.lent = false
		}
	case r.held == h:
		r.marks.And(^uint32(lent))
	}
}
