package main

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/preset"
	"github.com/holdfast-go/holdfast/retry"
)

// deeds are what the policies did, as they tell it, by the phase of the call.
type deeds struct {
	budget  *retry.Budget // granted what is in them
	target  string        // as the policies have it
	mu      sync.Mutex
	phases  []deed
	changed []change
}

// A change is one of the circuit, and when it was told.
type change struct {
	holdfast.Event
	at time.Time
}

// A deed is what they did for the calls of one phase.
type deed struct {
	repeats  map[string]int // attempts repeated, by what was wrong with them
	stops    map[string]int // calls given up, by the reason
	timeouts map[string]int // attempts and calls cut by a time limit, by which
	hedges   map[string]int // attempts sent beside a slow one, or denied, by the reason
}

func newDeed() deed {
	return deed{map[string]int{}, map[string]int{}, map[string]int{}, map[string]int{}}
}

func newDeeds(phases int) *deeds {
	d := &deeds{}
	for range phases {
		d.phases = append(d.phases, newDeed())
	}
	return d
}

// listen has the policies of c tell what they do.
func (d *deeds) listen(c *preset.Config) {
	c.Retry.OnRetry, c.Retry.OnStop = d.repeated, d.stopped
	c.Hedge.OnHedge = d.hedged
	c.Breaker.OnChange = d.change
}

// hedged is hedge's OnHedge.
func (d *deeds) hedged(ctx context.Context, e holdfast.Event) {
	d.mu.Lock()
	defer d.mu.Unlock()
	what := "sent"
	if e.Kind == "hedge_denied" {
		what = "denied: " + e.Detail
	}
	d.phases[sampleOf(ctx).phase].hedges[what]++
}

// change is the breaker's OnChange.
func (d *deeds) change(_ context.Context, e holdfast.Event) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.changed = append(d.changed, change{e, time.Now()})
}

// repeated is retry's OnRetry.
func (d *deeds) repeated(ctx context.Context, e holdfast.Event) {
	d.mu.Lock()
	defer d.mu.Unlock()
	in := d.phases[sampleOf(ctx).phase]
	in.repeats[string(e.Code)]++
	in.timed(e.Err)
}

// stopped is retry's OnStop.
func (d *deeds) stopped(ctx context.Context, e holdfast.Event) {
	d.mu.Lock()
	defer d.mu.Unlock()
	in := d.phases[sampleOf(ctx).phase]
	in.stops[gist(e.Detail)]++
	in.timed(e.Err)
}

// cut tells of an answer that broke off with err while it was read, of which
// retry learns nothing. d may be nil.
func (d *deeds) cut(s *sample, err error) {
	if d == nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.phases[s.phase].timed(err)
}

// timed counts err if it is that of a time limit.
func (d deed) timed(err error) {
	if limit := (*holdfast.TimeoutError)(nil); errors.As(err, &limit) {
		d.timeouts[limit.Scope]++
	}
}

// budgetEmpty is retry's reason when its budget refuses.
const budgetEmpty = "budget empty"

// gist takes the numbers out of a reason, so that reasons can be counted.
func gist(reason string) string {
	if strings.Contains(reason, " left < ") {
		return "no time left"
	}
	return reason
}

// changes are those of the circuit's state.
func (d *deeds) changes() []change {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.changed)
}

// total is all that they did in the phases that in wants.
func (d *deeds) total(in func(phase int) bool) deed {
	d.mu.Lock()
	defer d.mu.Unlock()
	sum := newDeed()
	for i, from := range d.phases {
		if in(i) {
			add(sum.repeats, from.repeats)
			add(sum.stops, from.stops)
			add(sum.timeouts, from.timeouts)
			add(sum.hedges, from.hedges)
		}
	}
	return sum
}

func add(to, from map[string]int) {
	for what, n := range from {
		to[what] += n
	}
}

// spent is what the budget granted and refused.
func (d *deeds) spent() retry.BudgetStats { return d.budget.Stats(d.target) }
