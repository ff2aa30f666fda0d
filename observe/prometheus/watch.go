package prometheus

import (
	"context"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/clock"
	"github.com/holdfast-go/holdfast/observe"
)

// What counts is as lean as it can be: no record of the call, no memory; its series are
// the hook of its answer, and the token is when it began. Where exemplars are asked for,
// which need the call's context at its end, package observe keeps it.

// around returns the policies that count calls and attempts.
func (c *client) around() (calls, attempts holdfast.Policy) {
	if c.m.o.Exemplar != nil {
		return observe.New(observe.Options{Done: c.call, Event: c.event}),
			observe.New(observe.Options{Done: c.attempt, Wire: true})
	}
	return holdfast.PolicyFunc(c.countCalls), holdfast.PolicyFunc(c.countAttempts)
}

func (c *client) countCalls(next holdfast.Handler) holdfast.Handler {
	listener := holdfast.NewListener(c.event)
	return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
		call.Record.Listen(listener)
		return call.Track(ctx, next, (*callEnd)(c.pair(call.Target, call.Method)), uint64(clock.Now()))
	}
}

// A callEnd counts a call at its end; the token is when it began.
type callEnd pair

// Done counts.
func (p *callEnd) Done(began uint64, end holdfast.End) {
	p.calls.get(end.Class, end.Code).Inc()
	p.callTime.observe(time.Duration(clock.Now() - int64(began)))
}

func (c *client) countAttempts(next holdfast.Handler) holdfast.Handler {
	return func(ctx context.Context, call *holdfast.Call) (res holdfast.Result) {
		returned := false
		defer func() {
			if !returned && call.Sent() {
				p := c.pair(call.Target, call.Method)
				p.attempts[kindOf(call)].count(min(call.Attempt, maxAttempt), holdfast.Ignored, holdfast.CodePanic, call.Ran())
			}
		}()
		res = next(ctx, call)
		returned = true
		if !call.Sent() {
			return res // it is none
		}
		p := c.pair(call.Target, call.Method)
		if at := &p.attempts[kindOf(call)]; res.Reply == nil || call.Unary {
			at.count(min(call.Attempt, maxAttempt), res.Class, res.Code, call.Ran())
		} else {
			res.OnDone(at, token(call))
		}
		return res
	}
}

// kindOf is the index of an attempt's kind.
func kindOf(call *holdfast.Call) int {
	switch {
	case call.Hedge:
		return 2
	case call.Attempt > 1:
		return 1
	}
	return 0
}

// token has when an attempt was sent, but for the highest four bits of that, and in its last
// four its number.
func token(call *holdfast.Call) uint64 {
	return uint64(clock.At(call.SentAt()))<<4 | uint64(min(call.Attempt, maxAttempt))
}

// An attempts is the series of the attempts of one kind, and the hook of their answers.
type attempts struct {
	series
	of *pair
}

// Done counts an attempt.
func (a *attempts) Done(token uint64, end holdfast.End) {
	a.count(int(token&15), end.Class, end.Code, time.Duration((uint64(clock.Now())<<4-token&^15)>>4))
}

func (a *attempts) count(attempt int, class holdfast.Class, code holdfast.Code, took time.Duration) {
	a.get(class, code).Inc()
	if a == &a.of.attempts[1] {
		a.of.outcome(attempt, class)
	}
	a.of.attemptTime.observe(took)
}
