package limit

import (
	"context"
	"fmt"
	"sync"
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
	leave func(holdfast.Class, time.Duration) // gives back a place in rooms.all
}

// inFlight makes an InFlight with those rooms, which go by its bounds from then on. Who waits in
// one that has become larger is let in.
func inFlight(o InFlightOptions, r *rooms) *InFlight {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.most.Store(int64(o.Max))
	r.table.Resize(o.MaxTargets)
	r.all.let()
	r.table.Each(func(_ string, one *room) bool { one.let(); return true })
	return &InFlight{o, r, func(holdfast.Class, time.Duration) { r.all.exit() }}
}

// rooms are those of an InFlight, and of all that With has made of it.
type rooms struct {
	mu    sync.Mutex   // of a change: what is in force is of one of them, and not of several
	most  atomic.Int64 // of the latest of them, which all go by
	all   *room        // without PerTarget
	table keyed.Table[*room]
}

func newRooms() *rooms {
	r := new(rooms)
	r.all = newRoom(&r.most)
	r.table.New = func(string) *room { return newRoom(&r.most) }
	r.table.Shared = func() *room { return newShared(&r.most) }
	r.table.Idle = (*room).empty
	return r
}

// room returns the room of target, if there is one.
func (l *InFlight) room(target string) *room {
	if !l.o.PerTarget {
		return l.rooms.all
	}
	r, _ := l.rooms.table.Find(target)
	return r
}

var _ holdfast.Policy = (*InFlight)(nil)

// NewInFlight makes an InFlight. Every value of every option means something.
func NewInFlight(o InFlightOptions) *InFlight {
	return inFlight(o.filled(), newRooms())
}

// With returns an InFlight with other options that counts with l: what is under
// way stays counted, but when PerTarget changes. Max and MaxTargets hold for l as
// well: who waits is let in where there is room by the new Max, all of them where
// there is no limit any more, and where there is less room nobody is until there is
// some. Who waits goes on waiting as long as it was to. Calls that begin while there
// is no limit are not counted.
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
	if !l.made() || l.o.Max < 0 {
		return nil, 0, nil
	}
	if !l.o.PerTarget {
		target = ""
	}
	for {
		r, e := l.hold(target, p)
		w, reason := r.enter(&l.o)
		if w == nil && reason == "" {
			token = r.keep(e)
			return r, token, nil
		}
		release(e) // who waits has nothing that counts yet: its target may move
		if w != nil {
			r, token, reason, err = l.wait(ctx, r, w, target, p)
		}
		switch {
		case err == errMoved:
			continue
		case err == errFree:
			return nil, 0, err
		case err != nil:
			return nil, 0, &waitError{l.limit(), err}
		case reason != "":
			return nil, 0, &Error{Target: target, limit: l.limit(), reason: reason}
		}
		return r, token, nil
	}
}

func (l *InFlight) limit() string { return fmt.Sprintf("%d calls in flight", l.rooms.most.Load()) }

// hold returns the room of target, and its entry, which the table keeps until it is released; nil:
// it is in none.
func (l *InFlight) hold(target string, p *patience) (*room, *keyed.Entry[*room]) {
	if !l.o.PerTarget {
		return l.rooms.all, nil
	}
	e, late := l.rooms.table.Hold(target)
	p.late = max(p.late, late)
	return e.Value, e
}

func release(e *keyed.Entry[*room]) {
	if e != nil {
		e.Release()
	}
}

// wait waits for a place in r, which it returns if target is still to be there then.
func (l *InFlight) wait(ctx context.Context, r *room, w *waiter, target string, p *patience) (in *room, token uint64, reason string, err error) {
	reason, err = r.wait(ctx, &l.o, w, p, func() bool {
		now, ok := l.rooms.table.Find(target)
		return ok && now == r
	})
	if reason != "" || err != nil {
		return nil, 0, reason, err
	}
	now, e := l.hold(target, p)
	if now != r {
		release(e)
		r.exit()
		return nil, 0, "", errMoved
	}
	token = r.keep(e)
	return r, token, "", nil
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
			p.free = nil
			if holdfast.CallFrom(ctx) != nil { // made within a call, which may have a place
				if r := l.room(call.Target); r != nil {
					res, ok, free := call.Share(ctx, next, r)
					if ok {
						p.stop()
						return res
					}
					p.free = free
				}
			}
			r, token, err := l.acquire(ctx, call.Target, &p)
			if p.timer != nil {
				call.Waited()
			}
			if err == errFree {
				continue // what the outer call has is to be had now
			}
			p.stop()
			if err != nil {
				tellLate(ctx, call, "limit", p.late)
				return rejected(ctx, call, "limit", err)
			}
			return call.Hold(ctx, telling(next, "limit", p.late), r, token)
		}
	}
}

// Ready reports whether Enter would find room now. With Enter an InFlight guards one
// node of a balancer, whatever PerTarget says.
func (l *InFlight) Ready() bool {
	return !l.made() || l.o.Max < 0 || l.rooms.all.ready()
}

// Enter takes a place without waiting; leave gives it back, once. It allocates nothing.
func (l *InFlight) Enter() (leave func(holdfast.Class, time.Duration), ok bool) {
	if !l.made() || l.o.Max < 0 {
		return nil, true
	}
	return l.leave, l.rooms.all.try()
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
