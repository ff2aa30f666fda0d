package breaker

import (
	"context"
	"fmt"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/clock"
	"github.com/holdfast-go/holdfast/internal/herald"
	"github.com/holdfast-go/holdfast/internal/pause"
)

// admit asks a circuit that is not closed for leave to send a call. It returns
// the number of the probe that the call is to be, or why there is no leave. ok
// without a number means that the circuit has closed meanwhile.
func (c *circuit) admit(o *Options) (probe uint64, err *OpenError, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	switch State(c.state.Load()) {
	case Closed:
		return 0, nil, true
	case Isolated:
		return 0, c.reject(o, Isolated), false
	case HalfOpen:
		if c.probing == nil {
			break
		}
		if o.ProbeTimeout <= 0 || pause.Ran(clock.At(c.sent), clock.At(now)) < o.ProbeTimeout {
			return 0, c.reject(o, HalfOpen), false
		}
		c.probing(errFailed)
		c.open(o, now, 0, cause{"probe", fmt.Sprintf("the probe took longer than %v", o.ProbeTimeout)})
		return 0, c.reject(o, Open), false
	case Open:
		if now.Before(c.due(o)) {
			return 0, c.reject(o, Open), false
		}
	}
	done, refused := c.machine.Allow()
	if refused != nil { // it opened at this very moment
		return 0, c.reject(o, Open), false
	}
	if State(c.state.Load()) == Open {
		c.become(HalfOpen, cause{"due", "its time has passed"})
	}
	if c.abandoned(now) {
		c.began = now // what was in between nobody has seen
	}
	c.probing, c.sent, c.called = done, now, now
	c.probe++
	return c.probe, nil, true
}

func (c *circuit) reject(o *Options, s State) *OpenError {
	c.rejected.Add(1)
	e := &OpenError{Target: c.key, State: s}
	if s == Open {
		e.Until = c.due(o)
	}
	return e
}

// send sends a call as a probe. Its slot goes back whatever happens to it.
func (c *circuit) send(ctx context.Context, call *holdfast.Call, next holdfast.Handler, o *Options, probe uint64) (res holdfast.Result) {
	start, answered := clock.Now(), false
	defer func() {
		if !answered { // a panic, or an exited goroutine: it says nothing of the server
			c.settle(o, probe, holdfast.Result{}, false)
		}
	}()
	c.herald.Tell()       // that it is half-open
	if ctx.Err() != nil { // listeners took its time
		return call.Reject(ctx, holdfast.Event{Policy: "breaker", Err: context.Cause(ctx)})
	}
	call.Waited() // for listeners, if they are slow
	w := pause.Begin(start)
	defer w.End()
	if o.ObserveOnly {
		res = next(ctx, call)
	} else {
		res = call.Probe(ctx, next, c)
	}
	answered = true
	age, closed := c.settle(o, probe, res, slow(o, start))
	if closed && !call.Unary && res.Reply != nil {
		res.OnDone(c, age) // it may yet break off
	}
	tellOrDiscard(c.herald, res)
	return res
}

// watched sends a call whose time matters, and has pauses of this process noticed
// meanwhile.
func watched(ctx context.Context, call *holdfast.Call, next holdfast.Handler, began int64) holdfast.Result {
	w := pause.Begin(began)
	defer w.End()
	return next(ctx, call)
}

// slow reports whether a call took too long; the time in which this process stood still
// is not the server's.
func slow(o *Options, began int64) bool {
	return o.SlowDuration > 0 && pause.Ran(began, clock.Now()) >= o.SlowDuration
}

// settle ends a probe. closed reports that it has closed the circuit, and age of
// which state it was the first call.
func (c *circuit) settle(o *Options, probe uint64, res holdfast.Result, slow bool) (age uint64, closed bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.probing == nil || c.probe != probe {
		return 0, false // it took too long, or somebody has decided by hand
	}
	now := time.Now()
	failed, counted := judge(o, res.Class)
	switch {
	case !counted:
		c.probing(errNoSign)
		c.probing = nil
	case failed:
		c.probing(errFailed)
		c.open(o, now, res.After, cause{"probe", "the probe failed"})
	case slow && o.SlowRatio > 0:
		c.probing(errFailed)
		c.open(o, now, 0, cause{"probe", "the probe was slow"})
	default:
		c.probing(nil)
		c.closed = now
		c.become(Closed, cause{"probe", "the probe succeeded"})
		c.window.add(now, counts{calls: 1})
		return c.age.Load(), true
	}
	return 0, false
}

// tellOrDiscard tells the listeners; where one panics, nobody is left to read res.
func tellOrDiscard(h *herald.Herald[holdfast.Event], res holdfast.Result) {
	told := false
	defer func() {
		if !told {
			res.Discard()
		}
	}()
	h.Tell()
	told = true
}
