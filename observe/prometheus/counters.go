package prometheus

import (
	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/inside"
)

// A counter of several sources must not fall when one of them is forgotten: Prometheus would take
// all that is left for new. So what a series had from those that are gone stays in it, for as long
// as it is told.

// An origin is where a part of a counter comes from.
type origin struct {
	owner  any
	labels [2]string // as the policy tells them
}

// A tally is what a series of a counter is made of.
type tally struct {
	gone float64 // from origins that are no longer told, or have begun anew
	now  map[origin]float64
}

// mostCarried bounds what is kept of clients whose policies panic, whatever they make up.
const mostCarried = 10_000

// count takes a part of a counter in.
func (r *reading) count(k line, f *holdfast.Figure) {
	from := origin{owner: inside.Identity(f.Owner)}
	for i, l := range k.of.labels {
		from.labels[i] = f.Labels[l]
	}
	if r.counters[k] == nil {
		r.counters[k] = map[origin]float64{}
	}
	r.counters[k][from] += f.Value
}

// addUp has the counters among the values, with what they had before from who is gone. Where a
// policy of the client has panicked, nobody is: it may have told of them.
func (r *reading) addUp() {
	before := r.m.counted
	r.m.counted = make(map[line]*tally, len(r.counters))
	carried := 0
	for k, now := range r.counters {
		t := &tally{now: now}
		r.m.counted[k] = t
		if was := before[k]; was != nil {
			t.gone = was.gone
			for from, value := range was.now {
				is, there := now[from]
				switch {
				case !there && r.panicked[k.labels[0]] && carried < mostCarried:
					carried++
					now[from] = value
				case !there || is < value:
					t.gone += value
				}
			}
		}
		sum := t.gone
		for _, value := range now {
			sum += value
		}
		r.values[k] = sum
	}
	for k, was := range before {
		if r.m.counted[k] == nil && r.panicked[k.labels[0]] && carried < mostCarried {
			carried += len(was.now)
			r.m.counted[k] = was
		}
	}
}
