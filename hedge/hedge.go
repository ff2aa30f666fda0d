package hedge

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/asked"
	"github.com/holdfast-go/holdfast/internal/clock"
	"github.com/holdfast-go/holdfast/internal/keyed"
	"github.com/holdfast-go/holdfast/internal/pause"
	"github.com/holdfast-go/holdfast/internal/quantile"
)

// A Hedge is a Policy that sends extra attempts beside slow ones. It is safe for
// concurrent use. One that New has not made, nil too, sends none.
//
// The first success wins. A failure waits for the attempts still under way, and
// is returned only when none is left. A first attempt that fails before it is
// hedged is returned at once: repeating it is retry's matter. Losers are cancelled
// with holdfast.ErrSuperseded, and the call returns when all its attempts have. A call with a
// limit of its own (timeout.WithLimit) is neither hedged nor learnt of.
type Hedge struct {
	o Options
	s *shared
}

// shared is what Hedges share that With has made of each other.
type shared struct {
	targets keyed.Table[*target]
	window  atomic.Int64 // of the latest of them
	with    sync.Mutex   // held while the targets follow another one
}

// latest has the times follow what Hedges that share them cannot have each for itself.
func (s *shared) latest(o *Options) {
	s.with.Lock()
	defer s.with.Unlock()
	s.targets.Resize(o.MaxTargets)
	s.window.Store(int64(o.Window)) // before the targets that there are: others are made by it
	s.targets.Each(func(_ string, t *target) bool { t.times.Resize(o.Window); return true })
}

var _ holdfast.Characterized = (*Hedge)(nil)

// New makes a Hedge. Every value of every option means something; see Options.
func New(o Options) *Hedge {
	h := &Hedge{o.filled(), new(shared)}
	h.s.targets.New = func(string) *target { return &target{times: quantile.New(time.Duration(h.s.window.Load()))} }
	h.s.targets.Shared = func() *target { return h.s.targets.New("") }
	h.s.latest(&h.o)
	return h
}

// With returns a Hedge with other options and the recent times of h, which both
// share from then on. Window and MaxTargets hold for h as well.
func (h *Hedge) With(o Options) *Hedge {
	if !h.made() {
		return New(o)
	}
	with := &Hedge{o.filled(), h.s}
	with.s.latest(&with.o)
	return with
}

// Options returns the options in force, with the defaults filled in.
func (h *Hedge) Options() Options {
	if !h.made() {
		return Options{}
	}
	return h.o
}

func (h *Hedge) made() bool { return h != nil && h.s != nil }

// Stats are the figures of one target. The counts only grow, until the target is forgotten to make
// room for another.
type Stats struct {
	Calls  uint64        // first attempts that could have been hedged
	Hedges uint64        // sent, once they are over
	Won    uint64        // of them
	Denied uint64        // by the share, the budget or another layer
	Delay  time.Duration // at present; 0 where too little is known
}

// Stats returns the figures of a target.
func (h *Hedge) Stats(key string) (stats Stats) {
	if !h.made() {
		return stats
	}
	if t, ok := h.s.targets.Find(key); ok {
		stats = Stats{t.calls.Load(), t.hedges.Load(), t.won.Load(), t.denied.Load(), t.known(&h.o, clock.Now())}
	}
	return stats
}

// Traits tells that it hedges, where MaxHedges lets it.
func (h *Hedge) Traits() holdfast.Traits { return holdfast.Traits{Name: "hedge", Hedges: h.hedges()} }

func (h *Hedge) hedges() bool { return h.made() && h.o.MaxHedges > 0 }

// Wrap returns a Handler that hedges what next does.
func (h *Hedge) Wrap(next holdfast.Handler) holdfast.Handler {
	if !h.hedges() {
		return next
	}
	return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
		if call.Attempt > 1 || call.Hedge || !call.Repeatable || call.Stream || unlike(ctx) {
			return next(ctx, call)
		}
		now := clock.Now()
		entry, late := h.s.targets.Hold(call.Target)
		defer entry.Release()
		if late > 0 {
			tellLate(ctx, call, late)
			call.Waited() // for listeners, if they are slow
		}
		t := entry.Value
		t.calls.Add(1)
		t.share.call(now)
		delay, ok := t.delay(&h.o, now)
		if !ok || !fits(ctx, delay, h.o.MinAttempt) {
			res := next(ctx, call)
			t.observe(now, since(now), res, false)
			return res
		}
		g := &group{o: &h.o, t: t, next: next, ctx: ctx, call: call, delay: delay, start: now}
		return g.run()
	}
}

// unlike reports whether the call has asked for a limit of its own: it takes what others do not, so
// that it is not late when they would be, and says nothing of them.
func unlike(ctx context.Context) bool {
	a := asked.By(ctx)
	return a != nil && a.Within == any(holdfast.CallFrom(ctx)) && (a.Call != 0 || a.Attempt != 0)
}

// since is the time since then during which this process ran.
func since(began int64) time.Duration { return pause.Ran(began, clock.Now()) }
