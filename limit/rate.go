package limit

import (
	"context"
	"fmt"
	"math"
	"time"

	"golang.org/x/time/rate"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/keyed"
	"github.com/holdfast-go/holdfast/internal/option"
)

// RateOptions set up a Rate. The zero value is the default of every field; a
// negative value switches off what the field is for.
type RateOptions struct {
	// PerSecond is how many calls may begin in a second: 0 and negative mean no
	// limit.
	PerSecond float64
	// Burst is how many may begin at once: 0 means a tenth of a second's worth,
	// and 1 at least; negative: 1.
	Burst int
	// Wait is how long a call may wait for its turn, which its place in the queue
	// tells: 0 and negative mean not at all.
	Wait time.Duration
	// Queue is how many may wait: 0 means what PerSecond lets through in Wait;
	// negative: none.
	Queue int
	// PerTarget gives each target a rate of its own.
	PerTarget bool
	// MaxTargets is how many targets have one: 0 and negative mean 1024. Past it, one
	// makes room for which nobody waits, and that has all of its Burst. Targets that
	// find no room share one rate, which figures call "other"; a target that gets one
	// of its own then begins with what is left of that. Metrics count such calls, and
	// an event ("table_full", of holdfast.Event) tells of them.
	MaxTargets int
}

func (o RateOptions) filled() RateOptions {
	o.PerSecond = min(option.Of(o.PerSecond, option.Off, option.Off), 1e9)
	o.Burst = option.Of(o.Burst, max(int(o.PerSecond/10), 1), 1)
	o.Wait = option.Of(o.Wait, option.Off, option.Off)
	o.Queue = option.Of(o.Queue, int(min(math.Ceil(max(o.PerSecond, 0)*max(o.Wait, 0).Seconds()), 1e9)), option.Off)
	o.MaxTargets = option.Of(o.MaxTargets, 1024, 1024)
	return o
}

// A Rate is a Policy that bounds the calls that begin in a second: a token bucket
// of golang.org/x/time/rate, with a queue for those who wait. They get their tokens in
// the order in which they came, and one that gives up leaves its turn to those behind.
// A call that would have to wait past its deadline, or for longer than Wait, is rejected
// at once and takes no token. It is safe for concurrent use. One that NewRate has not
// made, nil too, bounds nothing.
type Rate struct {
	o RateOptions
	s *shared
}

var _ holdfast.Policy = (*Rate)(nil)

// NewRate makes a Rate. Every value of every option means something.
func NewRate(o RateOptions) *Rate {
	l := &Rate{o: o.filled()}
	l.s = newRates(&l.o)
	return l
}

// With returns a Rate with other options and the tokens of l, which goes by the new PerSecond,
// Burst, PerTarget and MaxTargets, too, also where it had no rate; Wait and Queue are of each. Those who
// wait get their turns by the new rate, in the order in which all came; who would now wait for too
// long is rejected at once, and where there is no rate any more all are let in. A rate that is
// switched on begins with all of its Burst, and so does one for each target, or for all of them, where
// PerTarget has changed and there was none such before.
func (l *Rate) With(o RateOptions) *Rate {
	if !l.made() {
		return NewRate(o)
	}
	with := &Rate{o.filled(), l.s}
	l.s.set(&with.o)
	return with
}

// Options returns the options in force, with the defaults filled in.
func (l *Rate) Options() RateOptions {
	if !l.made() {
		return RateOptions{}
	}
	return l.o
}

func (l *Rate) made() bool { return l != nil && l.s != nil }

// bounds reports whether there is a rate now.
func (l *Rate) bounds() bool { return l.made() && l.s.latest.Load().PerSecond >= 0 }

// Acquire takes a token for a call to target, and waits for it as long as Wait
// says. It returns an *Error, or one that wraps the error of ctx.
func (l *Rate) Acquire(ctx context.Context, target string) error {
	if !l.bounds() {
		return nil
	}
	_, _, err := l.take(ctx, nil, target)
	return err
}

// take takes a token; call is nil where it is for none. late is as from hold.
func (l *Rate) take(ctx context.Context, call *holdfast.Call, target string) (waited bool, late uint64, err error) {
	b, e, late := l.s.hold(target)
	if b.allow() {
		release(e)
		return false, late, nil
	}
	if call != nil && l.o.Wait > 0 {
		wait, done := call.Waiting(ctx)
		defer done()
		ctx = wait
	}
	return true, late, l.wait(ctx, b, e, target)
}

// wait waits for a token of b, where that is allowed; it releases e.
func (l *Rate) wait(ctx context.Context, b *bucket, e *keyed.Entry[*bucket], target string) error {
	if l.o.Wait > 0 && ctx.Err() != nil {
		release(e)
		return context.Cause(ctx)
	}
	by := until{wait: time.Now().Add(l.o.Wait)}
	by.deadline, _ = ctx.Deadline()
	t, no := b.join(by, &l.o, target)
	release(e) // a queue is not forgotten
	if t != nil {
		l.s.look(t)
		select {
		case <-t.over:
		case <-ctx.Done():
		}
		if b = t.bucket.Load(); ctx.Err() != nil { // also as its turn came
			t.leave()
			return &waitError{perSecond(b.tokens.Limit()), context.Cause(ctx)}
		}
		no = t.no
	}
	if no.reason == "" {
		return nil
	}
	b.rejected.Add(1)
	if b == l.s.all {
		target = ""
	}
	return &Error{Target: target, limit: perSecond(no.rate), reason: no.reason, wait: no.wait}
}

func perSecond(r rate.Limit) string { return fmt.Sprintf("%v calls a second", r) }

// Wrap returns a Handler that sends a call when it is its turn.
func (l *Rate) Wrap(next holdfast.Handler) holdfast.Handler {
	if !l.made() {
		return next
	}
	return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
		if !l.bounds() {
			return next(ctx, call)
		}
		waited, late, err := l.take(ctx, call, call.Target)
		if late != 0 {
			tellLate(ctx, call, "rate", late)
		}
		if err != nil {
			return rejected(ctx, call, "rate", err)
		}
		if waited {
			call.Waited()
		}
		return next(ctx, call)
	}
}

// Ready reports whether Enter would find a token now. With Enter a Rate guards one
// node of a balancer, whatever PerTarget says.
func (l *Rate) Ready() bool { return !l.bounds() || l.s.all.ready() }

// Enter takes a token without waiting. There is nothing to give back: leave is nil.
func (l *Rate) Enter() (leave func(holdfast.Class, time.Duration), ok bool) {
	return nil, !l.bounds() || l.s.all.allow()
}
