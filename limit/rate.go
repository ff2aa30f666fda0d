package limit

import (
	"context"
	"fmt"
	"math"
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
	// Wait is how long a call may wait for its turn: 0 and negative mean not at
	// all.
	Wait time.Duration
	// Queue is how many may wait: 0 means what PerSecond lets through in Wait;
	// negative: none.
	Queue int
	// PerTarget gives each target a rate of its own.
	PerTarget bool
	// MaxTargets is how many targets have one: 0 and negative mean 1024; further
	// ones share one, which figures call "other".
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
// of golang.org/x/time/rate. A call that would have to wait past its deadline, or
// for longer than Wait, is rejected at once and takes no token. It is safe for
// concurrent use. One that NewRate has not made, nil too, bounds nothing.
type Rate struct {
	o RateOptions
	s *shared
}

// shared is what Rates share that With has made of each other.
type shared struct {
	latest  atomic.Pointer[RateOptions] // of the latest of them: the rate is one for all
	buckets keyed.Table[*bucket]
}

// set gives the buckets another rate, those that are yet to come too.
func (s *shared) set(o *RateOptions) {
	s.latest.Store(o)
	s.buckets.Resize(o.MaxTargets)
	s.buckets.Each(func(_ string, b *bucket) bool { b.set(o); return true })
}

type bucket struct {
	tokens   *rate.Limiter
	waiting  atomic.Int64
	rejected atomic.Uint64
}

var _ holdfast.Policy = (*Rate)(nil)

// NewRate makes a Rate. Every value of every option means something.
func NewRate(o RateOptions) *Rate {
	s := new(shared)
	s.buckets.New = func(string) *bucket {
		o := s.latest.Load()
		return &bucket{tokens: rate.NewLimiter(rate.Limit(o.PerSecond), o.Burst)}
	}
	s.buckets.Idle = func(b *bucket) bool { return b.tokens.Tokens() >= float64(b.tokens.Burst()) } // as good as new
	l := &Rate{o.filled(), s}
	s.set(&l.o)
	return l
}

// With returns a Rate with other options and the tokens of l, which goes by the new rate
// and MaxTargets, too. A rate that there was none of before begins anew, and one that is
// switched off leaves l as it is.
func (l *Rate) With(o RateOptions) *Rate {
	with := &Rate{o: o.filled()}
	if !l.made() || l.o.PerSecond < 0 || with.o.PerSecond < 0 {
		return NewRate(o)
	}
	with.s = l.s
	l.s.set(&with.o)
	return with
}

func (b *bucket) set(o *RateOptions) {
	if b.tokens.Limit() != rate.Limit(o.PerSecond) {
		b.tokens.SetLimit(rate.Limit(o.PerSecond))
	}
	if b.tokens.Burst() != o.Burst {
		b.tokens.SetBurst(o.Burst)
	}
}

// Options returns the options in force, with the defaults filled in.
func (l *Rate) Options() RateOptions {
	if !l.made() {
		return RateOptions{}
	}
	return l.o
}

func (l *Rate) made() bool { return l != nil && l.s != nil }

func (l *Rate) bucket(target string) *bucket {
	if !l.o.PerTarget {
		target = ""
	}
	return l.s.buckets.Get(target)
}

// Acquire takes a token for a call to target, and waits for it as long as Wait
// says. It returns an *Error, or the error of ctx.
func (l *Rate) Acquire(ctx context.Context, target string) error {
	if !l.made() || l.o.PerSecond < 0 {
		return nil
	}
	b := l.bucket(target)
	if b.tokens.Allow() {
		return nil
	}
	return l.slowly(ctx, b, target)
}

// slowly waits for a token, where that is allowed.
func (l *Rate) slowly(ctx context.Context, b *bucket, target string) error {
	if l.o.Wait <= 0 {
		return l.reject(b, target, "no token left")
	}
	return l.wait(ctx, b, target)
}

func (l *Rate) reject(b *bucket, target, reason string) error {
	b.rejected.Add(1)
	if !l.o.PerTarget {
		target = ""
	}
	return &Error{Target: target, limit: fmt.Sprintf("%v calls a second", l.o.PerSecond), reason: reason}
}

func (l *Rate) wait(ctx context.Context, b *bucket, target string) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	defer b.waiting.Add(-1)
	if b.waiting.Add(1) > int64(l.o.Queue) {
		return l.reject(b, target, "the queue is full")
	}
	now := time.Now()
	turn := b.tokens.ReserveN(now, 1)
	d := turn.DelayFrom(now)
	deadline, limited := ctx.Deadline()
	switch {
	case d > l.o.Wait:
		turn.CancelAt(now)
		return l.reject(b, target, fmt.Sprintf("the next token is %v away", d.Round(time.Millisecond)))
	case limited && deadline.Sub(now) <= d:
		turn.CancelAt(now)
		return l.reject(b, target, "the wait would pass the deadline")
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		turn.Cancel()
	}
	if ctx.Err() != nil { // also as its turn came
		return context.Cause(ctx)
	}
	return nil
}

// Wrap returns a Handler that sends a call when it is its turn.
func (l *Rate) Wrap(next holdfast.Handler) holdfast.Handler {
	if !l.made() || l.o.PerSecond < 0 {
		return next
	}
	return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
		if b := l.bucket(call.Target); !b.tokens.Allow() {
			wait, done := call.Waiting(ctx)
			err := l.slowly(wait, b, call.Target)
			done()
			if err != nil {
				return rejected(ctx, call, "rate", err)
			}
			call.Waited()
		}
		return next(ctx, call)
	}
}

// Ready reports whether Enter would find a token now. With Enter a Rate guards one
// node of a balancer; such a one is not PerTarget.
func (l *Rate) Ready() bool {
	return !l.made() || l.o.PerSecond < 0 || l.s.buckets.Get("").tokens.Tokens() >= 1
}

// Enter takes a token without waiting. There is nothing to give back: leave is nil.
func (l *Rate) Enter() (leave func(holdfast.Class, time.Duration), ok bool) {
	return nil, !l.made() || l.o.PerSecond < 0 || l.s.buckets.Get("").tokens.Allow()
}
