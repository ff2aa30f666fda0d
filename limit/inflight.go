package limit

import (
	"context"
	"fmt"
	"sync/atomic"
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
	// MaxTargets is how many targets have one: 0 and negative mean 1024; further
	// ones share one, which figures call "other".
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
	leave func(holdfast.Class, time.Duration) // gives back a place in rooms.all
}

// inFlight makes an InFlight with those rooms, which go by its bounds from then on. Who waits in
// one that has become larger is let in.
func inFlight(o InFlightOptions, r *rooms) *InFlight {
	r.most.Store(int64(o.Max))
	r.table.Resize(o.MaxTargets)
	r.all.let()
	r.table.Each(func(_ string, one *room) bool { one.let(); return true })
	return &InFlight{o, r, func(holdfast.Class, time.Duration) { r.all.exit() }}
}

// rooms are those of an InFlight, and of all that With has made of it.
type rooms struct {
	most  atomic.Int64 // of the latest of them: who waits goes by it
	all   *room        // without PerTarget
	table keyed.Table[*room]
}

func newRooms() *rooms {
	r := new(rooms)
	r.all = newRoom(&r.most)
	r.table.New = func(string) *room { return newRoom(&r.most) }
	r.table.Idle = (*room).empty
	return r
}

func (l *InFlight) room(target string) *room {
	if !l.o.PerTarget {
		return l.rooms.all
	}
	return l.rooms.table.Get(target)
}

var _ holdfast.Policy = (*InFlight)(nil)

// NewInFlight makes an InFlight. Every value of every option means something.
func NewInFlight(o InFlightOptions) *InFlight {
	return inFlight(o.filled(), newRooms())
}

// With returns an InFlight with other options that counts with l: what is under
// way stays counted, but when PerTarget changes. Those who wait are let in by the
// new Max, and MaxTargets holds for l as well.
func (l *InFlight) With(o InFlightOptions) *InFlight {
	if !l.made() {
		return NewInFlight(o)
	}
	return inFlight(o.filled(), l.rooms)
}

// Options returns the options in force, with the defaults filled in.
func (l *InFlight) Options() InFlightOptions {
	if !l.made() {
		return InFlightOptions{}
	}
	return l.o
}

func (l *InFlight) made() bool { return l != nil && l.rooms != nil }

// Acquire asks for a place for a call to target, and waits for one as long as
// Wait says; release gives it back and is to be called once, and is never nil. It
// returns an *Error, or the error of ctx.
func (l *InFlight) Acquire(ctx context.Context, target string) (release func(), err error) {
	var p patience
	defer p.stop()
	r, err := l.acquire(ctx, target, &p)
	if r == nil {
		return nothing, err
	}
	return r.release, nil
}

func nothing() {}

// acquire returns the room that the call is in; nil: in none.
func (l *InFlight) acquire(ctx context.Context, target string, p *patience) (*room, error) {
	if !l.made() || l.o.Max < 0 {
		return nil, nil
	}
	for {
		r := l.room(target)
		if reason, err := r.enter(ctx, &l.o, p); err != nil || reason != "" {
			return nil, l.refusal(target, reason, err)
		}
		if l.o.PerTarget && l.rooms.table.Get(target) != r { // the table forgot it before there was anybody inside
			r.exit()
			continue
		}
		return r, nil
	}
}

func (l *InFlight) refusal(target, reason string, err error) error {
	if err != nil {
		return err
	}
	if !l.o.PerTarget {
		target = ""
	}
	return &Error{Target: target, limit: fmt.Sprintf("%d calls in flight", l.o.Max), reason: reason}
}

// Traits tells that it holds places.
func (l *InFlight) Traits() holdfast.Traits {
	return holdfast.Traits{Name: "limit", Holds: l.made() && l.o.Max >= 0}
}

// Wrap returns a Handler that sends a call while there is room for it. A call that is made
// within one which has a place shares that place, one at a time: it takes another one where
// there is, and waits for whichever is free first.
func (l *InFlight) Wrap(next holdfast.Handler) holdfast.Handler {
	if !l.made() || l.o.Max < 0 {
		return next
	}
	return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
		p := patience{call: call}
		for {
			if holdfast.CallFrom(ctx) != nil { // made within a call, which may have a place
				res, ok, free := call.Share(ctx, next, l.room(call.Target))
				if ok {
					p.stop()
					return res
				}
				p.free = free
			}
			r, err := l.acquire(ctx, call.Target, &p)
			if p.timer != nil {
				call.Waited()
			}
			if err == errFree {
				continue // what the outer call has is to be had now
			}
			p.stop()
			if err != nil {
				return rejected(ctx, call, "limit", err)
			}
			return call.Hold(ctx, next, r, 0)
		}
	}
}

// Ready reports whether Enter would find room now. With Enter an InFlight guards one
// node of a balancer, whatever PerTarget says.
func (l *InFlight) Ready() bool {
	return !l.made() || l.o.Max < 0 || l.rooms.all.ready(l.o.Max)
}

// Enter takes a place without waiting; leave gives it back, once. It allocates nothing.
func (l *InFlight) Enter() (leave func(holdfast.Class, time.Duration), ok bool) {
	if !l.made() || l.o.Max < 0 {
		return nil, true
	}
	return l.leave, l.rooms.all.try(l.o.Max)
}

// InFlightStats are the figures of one target, or of all. Rejected only grows.
type InFlightStats struct {
	InFlight, Waiting int
	Rejected          uint64
}

// Stats returns the figures of target, or of those that it shares its limit with; of all
// where there is no PerTarget.
func (l *InFlight) Stats(target string) (stats InFlightStats) {
	switch {
	case !l.made():
	case !l.o.PerTarget:
		return l.rooms.all.stats()
	default:
		if r, ok := l.rooms.table.Find(target); ok {
			return r.stats()
		}
	}
	return stats
}
