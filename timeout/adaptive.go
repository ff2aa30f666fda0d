package timeout

import (
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/clock"
	"github.com/holdfast-go/holdfast/internal/keyed"
	"github.com/holdfast-go/holdfast/internal/option"
	"github.com/holdfast-go/holdfast/internal/pause"
	"github.com/holdfast-go/holdfast/internal/quantile"
)

// Adaptive sets the limit to a quantile of what calls to the target took
// lately, with some room above it, and never to more than Options.Limit. Each
// target, of which 1,024 are kept, has its own; past them one makes room that no call is
// using, and one that finds no room has Options.Limit. Metrics count such calls, and an event
// ("table_full", of holdfast.Event) tells of them.
//
// Only successes are samples: the time to the answer, or to its end by a limit
// around the whole call. A call that the limit cut took longer than anybody
// knows, and counts as one that took Options.Limit. So when more calls are cut
// than the quantile leaves room for, because the target has become slower, the
// limit rises to Options.Limit, calls succeed again, and it settles at what they
// take now. A limit that took a cut call for a sample of its length, or for
// none, would shut itself in.
//
// Streams have the fixed limit and are not counted.
type Adaptive struct {
	// Quantile is the part of calls that should fit: 0 and negative mean 0.99; at
	// most 1.
	Quantile float64
	// Factor is what the quantile is multiplied by: 0 means 1.5; negative: 1.
	Factor float64
	// Min is the least limit: 0 means 10 ms; negative: none. Options.Limit goes
	// first where it is less.
	Min time.Duration
	// MinSamples is how many calls must be known before they are believed; until
	// then Options.Limit holds: 0 means 100; negative: 1.
	MinSamples int
	// Window is how far back calls are remembered, at most; half of it at least:
	// 0 and negative mean 1 min.
	Window time.Duration
}

// An entry is a target in its table.
type entry = keyed.Entry[*target]

type adaptive struct {
	Adaptive
	ceiling time.Duration
	learnt  *learnt
}

// learnt is what Timeouts share that With has made of each other.
type learnt struct {
	targets keyed.Table[*target]
	window  atomic.Int64 // of the latest of them
	with    sync.Mutex   // of latest: what is in force is of one of them, and not of several
}

// latest has the times follow what Timeouts that share them cannot have each for itself.
func (l *learnt) latest(window time.Duration) {
	l.with.Lock()
	defer l.with.Unlock()
	l.window.Store(int64(window))
	l.targets.Each(func(_ string, t *target) bool { t.window.Resize(window); return true })
}

// A target is what was observed of one of them.
type target struct {
	window *quantile.Window
}

func newAdaptive(o *Adaptive, ceiling time.Duration, before *adaptive) *adaptive {
	if o == nil {
		return nil
	}
	a := &adaptive{Adaptive: *o, ceiling: ceiling}
	a.Quantile = min(option.Of(a.Quantile, 0.99, 0.99), 1)
	a.Factor = option.Of(a.Factor, 1.5, 1)
	a.Min = min(option.Of(a.Min, 10*time.Millisecond, 0), ceiling)
	a.MinSamples = option.Of(a.MinSamples, 100, 1)
	a.Window = option.Of(a.Window, time.Minute, time.Minute)
	if before != nil {
		a.learnt = before.learnt
	} else {
		l := new(learnt)
		l.targets.New = func(string) *target { return &target{window: quantile.New(time.Duration(l.window.Load()))} }
		a.learnt = l
	}
	a.learnt.latest(a.Window)
	return a
}

// hold returns the limit for a call that begins now, and the entry that it is to release; nil: it
// has found no room. late is other than 0 where that is to be told.
func (a *adaptive) hold(target string, now int64) (limit time.Duration, of *entry, late uint64) {
	if of, late = a.learnt.targets.Hold(target); of == nil {
		return a.ceiling, nil, late // what others take says nothing of it
	}
	return a.limit(of.Value, now), of, late
}

// limit returns the limit for a call that begins now; t may be nil.
func (a *adaptive) limit(t *target, now int64) time.Duration {
	limit := a.ceiling
	if t == nil {
		return limit
	}
	if usual, n := t.window.Quantile(now, a.Quantile); n >= a.MinSamples {
		// Compared before it is converted: a float may be more than a Duration holds.
		if f := float64(usual) * a.Factor; f < float64(a.ceiling) {
			limit = max(time.Duration(f), a.Min, 1)
		}
	}
	return limit
}

// sample tells the target how long the call took.
func (c *bounded) sample(class holdfast.Class) {
	if c.of == nil {
		return
	}
	took := c.since()
	stood, _ := pause.Between(c.began, math.MaxInt64)
	ran := took - stood // what passed while this process stood still is not the target's
	switch {
	case class.Sample():
		took = ran
	case c.limit > 0 && ran >= c.limit && class.Server() == holdfast.Unhealthy:
		took = c.learns.ceiling // a lower bound is all that is known
	default:
		return
	}
	c.of.Value.window.Observe(clock.Now(), took)
}
