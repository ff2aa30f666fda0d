package limit

import (
	"context"
	"fmt"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/keyed"
	"github.com/holdfast-go/holdfast/internal/option"
)

// InFlightOptions set up an InFlight. The zero value is the default of every
// field; a negative value switches off what the field is for.
type InFlightOptions struct {
	// Max is how many calls may be under way at once: 0 means 1000; negative: no
	// limit.
	Max int
	// Wait is how long a call that finds no room may wait for some: 0 and
	// negative mean not at all. It never waits past its context.
	Wait time.Duration
	// Queue is how many calls may wait: 0 means Max; negative: none.
	Queue int
	// PerTarget gives each target a limit of its own.
	PerTarget bool
	// MaxTargets is how many targets have one: 0 and negative mean 1024. Past it, one
	// makes room that has no call under way or waiting. Targets that find no room share
	// one limit, which figures call "other", and stay with it while they have calls
	// under way there. Metrics count such calls, and an event ("table_full", of
	// holdfast.Event) tells of them.
	MaxTargets int
}

func (o InFlightOptions) filled() InFlightOptions {
	o.Max = option.Of(o.Max, 1000, option.Off)
	o.Wait = option.Of(o.Wait, option.Off, option.Off)
	o.Queue = option.Of(o.Queue, max(o.Max, 0), option.Off)
	o.MaxTargets = option.Of(o.MaxTargets, 1024, 1024)
	return o
}

// An InFlight is a Policy that bounds the calls under way; a call is until its
// answer has been read to its end or closed. It is safe for concurrent use. One
// that NewInFlight has not made, nil too, bounds nothing.
type InFlight struct {
	o     InFlightOptions
	rooms *rooms
}

var _ holdfast.Policy = (*InFlight)(nil)

// NewInFlight makes an InFlight. Every value of every option means something.
func NewInFlight(o InFlightOptions) *InFlight {
	l := &InFlight{o.filled(), newRooms()}
	l.rooms.set(&l.o)
	return l
}

// With returns an InFlight with other options that counts with l. Max, PerTarget and MaxTargets hold
// for l as well, also where l had no limit; Wait and Queue are of each. Who waits is let in where
// there is room by the new options, all of them where there is no limit any more, and where there is
// less room nobody is until there is some; it goes on waiting as long as it was to, in the order in
// which all came. What is under way stays counted. When PerTarget changes that is apart, until it is
// over: it takes no place from calls that begin by the new one. Calls that begin while there is no limit are
// not counted.
func (l *InFlight) With(o InFlightOptions) *InFlight {
	if !l.made() {
		return NewInFlight(o)
	}
	with := &InFlight{o.filled(), l.rooms}
	l.rooms.set(&with.o)
	return with
}

// Options returns the options in force, with the defaults filled in.
func (l *InFlight) Options() InFlightOptions {
	if !l.made() {
		return InFlightOptions{}
	}
	return l.o
}

func (l *InFlight) made() bool { return l != nil && l.rooms != nil }

// bounds reports whether there is a limit now.
func (l *InFlight) bounds() bool { return l.made() && l.rooms.most.Load() >= 0 }

// Acquire asks for a place for a call to target, and waits for one as long as
// Wait says; release gives it back and is to be called once, and is never nil. It
// returns an *Error, or one that wraps the error of ctx.
func (l *InFlight) Acquire(ctx context.Context, target string) (release func(), err error) {
	var p patience
	defer p.stop()
	r, token, err := l.acquire(ctx, target, &p)
	switch {
	case r == nil:
		return nothing, err
	case token == 0:
		return r.release, nil
	}
	return func() { r.Done(token, holdfast.End{}) }, nil
}

func nothing() {}

// acquire returns the room that the call is in, and the token by which it is to leave; nil: in none.
func (l *InFlight) acquire(ctx context.Context, target string, p *patience) (r *room, token uint64, err error) {
	if !l.bounds() {
		return nil, 0, nil
	}
	r, e := l.rooms.hold(target, p)
	var free <-chan struct{}
	if p.sharing != nil { // of the room that it has come to: another one it would wait for in vain
		var ok bool
		if ok, free = p.share(r, func() { release(e) }); ok {
			return nil, 0, errShared
		}
	}
	w, reason := r.enter(&l.o, target, free)
	if w == nil && reason == "" {
		token = r.keep(e, target, nil)
		return r, token, nil
	}
	release(e) // who waits has nothing that counts yet: its target may move
	if w != nil {
		l.rooms.look(w)
		reason, err = w.wait(ctx, &l.o, p)
		r = w.room.Load()
	}
	switch {
	case err == errShared:
		return nil, 0, err
	case err != nil:
		return nil, 0, &waitError{l.limit(), err}
	case reason != "":
		if r == l.rooms.all {
			target = ""
		}
		return nil, 0, &Error{Target: target, limit: l.limit(), reason: reason}
	}
	for r.guests != nil {
		e := l.rooms.table.HoldAgain(target, "")
		if e.Value == r {
			token = r.keep(e, target, w)
			return r, token, nil
		}
		e.Release() // it has moved as it was let in, and its place with it
		r = w.room.Load()
	}
	return r, 0, nil
}

func (l *InFlight) limit() string { return fmt.Sprintf("%d calls in flight", l.rooms.most.Load()) }

func release[V any](e *keyed.Entry[V]) {
	if e != nil {
		e.Release()
	}
}

// Traits tells that it holds places.
func (l *InFlight) Traits() holdfast.Traits {
	return holdfast.Traits{Name: "limit", Holds: l.made() && l.o.Max >= 0}
}

// Wrap returns a Handler that sends a call while there is room for it. A call that is made
// within one which has a place shares that place, one at a time: it takes another one where
// there is, and waits for whichever is free first.
func (l *InFlight) Wrap(next holdfast.Handler) holdfast.Handler {
	if !l.made() {
		return next
	}
	return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
		if !l.bounds() {
			return next(ctx, call)
		}
		p := patience{call: call}
		if holdfast.CallFrom(ctx) != nil { // made within a call, which may have a place
			p.sharing = &sharing{ctx: ctx, next: next}
		}
		r, token, err := l.acquire(ctx, call.Target, &p)
		if err == errShared {
			return p.res
		}
		p.waited()
		switch {
		case err != nil:
			tellLate(ctx, call, "limit", p.late)
			return rejected(ctx, call, "limit", err)
		case r == nil: // the limit was switched off meanwhile
			return next(ctx, call)
		}
		return call.Hold(ctx, telling(next, "limit", p.late), r, token)
	}
}

// Ready reports whether Enter would find room now. With Enter an InFlight guards one
// node of a balancer, whatever PerTarget says.
func (l *InFlight) Ready() bool {
	return !l.bounds() || l.rooms.all.ready()
}

// Enter takes a place without waiting; leave gives it back, once. It allocates nothing.
func (l *InFlight) Enter() (leave func(holdfast.Class, time.Duration), ok bool) {
	if !l.bounds() {
		return nil, true
	}
	return l.rooms.leave, l.rooms.all.try()
}

// InFlightStats are the figures of one target, or of all. Rejected only grows, until the target is
// forgotten to make room for another.
type InFlightStats struct {
	InFlight, Waiting int
	Rejected          uint64
}

// Stats returns the figures of target, or of those that it shares its limit with; of all
// where there is no PerTarget.
func (l *InFlight) Stats(target string) (stats InFlightStats) {
	if l.made() {
		if r := l.rooms.find(target); r != nil {
			return r.stats()
		}
	}
	return stats
}
