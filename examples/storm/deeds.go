package main

import (
	"context"
	"errors"
	"strings"
	"sync"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/retry"
)

// deeds are what the policies did, as they tell it, by the phase of the call.
type deeds struct {
	budget *retry.Budget
	mu     sync.Mutex
	phases []deed
}

// A deed is what they did for the calls of one phase.
type deed struct {
	repeats  map[string]int // attempts repeated, by what was wrong with them
	stops    map[string]int // calls given up, by the reason
	timeouts map[string]int // attempts and calls cut by a time limit, by which
}

func newDeed() deed { return deed{map[string]int{}, map[string]int{}, map[string]int{}} }

func newDeeds(phases int) *deeds {
	d := &deeds{budget: retry.NewBudget(retry.BudgetOptions{})}
	for range phases {
		d.phases = append(d.phases, newDeed())
	}
	return d
}

// repeated is retry's OnRetry.
func (d *deeds) repeated(ctx context.Context, e retry.Event) {
	d.mu.Lock()
	defer d.mu.Unlock()
	in := d.phases[sampleOf(ctx).phase]
	in.repeats[e.Code]++
	in.timed(e.Err)
}

// stopped is retry's OnStop.
func (d *deeds) stopped(ctx context.Context, e retry.Event) {
	d.mu.Lock()
	defer d.mu.Unlock()
	in := d.phases[sampleOf(ctx).phase]
	in.stops[gist(e.Reason)]++
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
func (d *deeds) spent() retry.BudgetStats { return d.budget.Stats(target) }
