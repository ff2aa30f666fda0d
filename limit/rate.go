package limit

import (
	"context"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
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

// shared is what Rates share that With has made of each other.
type shared struct {
	mu      sync.Mutex                  // of set: what is in force is of one of them, and not of several
	latest  atomic.Pointer[RateOptions] // of the latest of them: the rate is one for all
	buckets keyed.Table[*bucket]
}

// set gives the buckets another rate, those that are yet to come too.
func (s *shared) set(o *RateOptions) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.latest.Store(o)
	s.buckets.Resize(o.MaxTargets)
	s.buckets.Each(func(_ string, b *bucket) bool {
		b.set(o)
		b.nudge()
		return true
	})
}

var _ holdfast.Policy = (*Rate)(nil)

// NewRate makes a Rate. Every value of every option means something.
func NewRate(o RateOptions) *Rate {
	s := new(shared)
	s.buckets.New = func(string) *bucket { return newBucket(s.latest.Load()) }
	s.buckets.Shared = func() *bucket {
		b := newBucket(s.latest.Load())
		b.moved = make(chan struct{})
		return b
	}
	s.buckets.Moved = func(own, shared *bucket) { own.begin(shared) }
	s.buckets.Idle = (*bucket).idle
	l := &Rate{o.filled(), s}
	s.set(&l.o)
	return l
}

// With returns a Rate with other options and the tokens of l, which goes by the new PerSecond,
// Burst and MaxTargets, too. Those who wait get their turns by the new rate; who would now wait
// for too long is rejected at once, and where there is no rate any more all are let in. A rate
// that is switched on begins with all of its Burst.
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

// bounds reports whether there is a rate.
func (l *Rate) bounds() bool { return l.made() && l.o.PerSecond >= 0 }

// hold returns the bucket of target, which the table keeps until it is released; late is other than
// 0 where that is to be told of one that has none of its own.
func (l *Rate) hold(target string) (e *keyed.Entry[*bucket], late uint64) {
	if !l.o.PerTarget {
		target = ""
	}
	return l.s.buckets.Hold(target)
}

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
	e, late := l.hold(target)
	if e.Value.allow() {
		e.Release()
		return false, late, nil
	}
	if call != nil && l.o.Wait > 0 {
		wait, done := call.Waiting(ctx)
		defer done()
		ctx = wait
	}
	return true, late, l.wait(ctx, e, target)
}

// wait waits for a token, where that is allowed; it releases e.
func (l *Rate) wait(ctx context.Context, e *keyed.Entry[*bucket], target string) error {
	if l.o.Wait > 0 && ctx.Err() != nil {
		e.Release()
		return context.Cause(ctx)
	}
	by := until{wait: time.Now().Add(l.o.Wait)}
	by.deadline, _ = ctx.Deadline()
	for {
		b := e.Value
		t, no := b.join(by, &l.o)
		e.Release() // a queue is not forgotten
		if t != nil {
			var again bool
			if again, no = l.await(ctx, b, t, target); again {
				e, _ = l.hold(target)
				continue
			}
			if ctx.Err() != nil { // also as its turn came
				b.leave(t)
				return &waitError{perSecond(b.tokens.Limit()), context.Cause(ctx)}
			}
		}
		if no.reason == "" {
			return nil
		}
		b.rejected.Add(1)
		if !l.o.PerTarget {
			target = ""
		}
		return &Error{Target: target, limit: perSecond(no.rate), reason: no.reason, wait: no.wait}
	}
}

func perSecond(r rate.Limit) string { return fmt.Sprintf("%v calls a second", r) }

// await waits until a turn is over, or the time of ctx. again says that it has been given up, since
// the target has tokens of its own now.
func (l *Rate) await(ctx context.Context, b *bucket, t *turn, target string) (again bool, no refusal) {
	for moved := t.moved; ; {
		if moved != nil {
			if now, ok := l.s.buckets.Find(target); (!ok || now != b) && b.quit(t) {
				return true, no
			}
		}
		select {
		case <-t.over:
			return false, t.no
		case <-ctx.Done():
			return false, no
		case <-moved:
			moved = b.changed()
		}
	}
}

// Wrap returns a Handler that sends a call when it is its turn.
func (l *Rate) Wrap(next holdfast.Handler) holdfast.Handler {
	if !l.bounds() {
		return next
	}
	return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
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
// node of a balancer; such a one is not PerTarget.
func (l *Rate) Ready() bool {
	if !l.bounds() {
		return true
	}
	b, ok := l.s.buckets.Find("")
	return !ok || b.ready()
}

// Enter takes a token without waiting. There is nothing to give back: leave is nil.
func (l *Rate) Enter() (leave func(holdfast.Class, time.Duration), ok bool) {
	if !l.bounds() {
		return nil, true
	}
	e, _ := l.s.buckets.Hold("")
	defer e.Release()
	return nil, e.Value.allow()
}
