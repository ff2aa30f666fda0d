package main

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

func TestScriptCoversTheWholeStorm(t *testing.T) {
	for _, d := range []time.Duration{minStorm, time.Second, 4 * time.Second, 12*time.Second - 1, 12 * time.Second, 20 * time.Second, time.Hour} {
		phases, turns := script(d)
		at, outages := time.Duration(0), 0
		for _, p := range phases {
			if p.start != at || p.end <= p.start {
				t.Errorf("%v: %q is from %v to %v, and the one before it ends at %v", d, p.name, p.start, p.end, at)
			}
			at = p.end
			if p.outage {
				outages++
				if took := p.end - p.start; d >= 12*time.Second && took != 2*time.Second {
					t.Errorf("%v: the outage takes %v, want 2s", d, took)
				}
			}
		}
		if at != d || outages != 1 {
			t.Errorf("%v: the phases end at %v with %d outages", d, at, outages)
		}
		checkTurns(t, d, phases, turns)
	}
}

// checkTurns checks that at most one node is ill outside the outage, all are in
// it, and none is at the end.
func checkTurns(t *testing.T, d time.Duration, phases []phase, turns []turn) {
	t.Helper()
	var state [nodeCount]fault
	for i, turn := range turns {
		if i > 0 && turn.at < turns[i-1].at {
			t.Errorf("%v: turn %d goes back in time", d, i)
		}
		for n := range state {
			if turn.node == everyNode || turn.node == n {
				state[n] = turn.fault
			}
		}
		if i+1 < len(turns) && turns[i+1].at == turn.at {
			continue // not yet all of this moment
		}
		ill := 0
		for _, f := range state {
			if f != healthy {
				ill++
			}
		}
		phase := phases[phaseAt(phases, turn.at)]
		switch {
		case phase.outage && ill != nodeCount, !phase.outage && ill > 1:
			t.Errorf("%v: %d nodes are ill in %q", d, ill, phase.name)
		case i == len(turns)-1 && ill != 0:
			t.Errorf("%v: %d nodes stay ill", d, ill)
		}
	}
}

func TestPhaseAtItsEdges(t *testing.T) {
	phases, _ := script(20 * time.Second)
	for i, p := range phases {
		if got := phaseAt(phases, p.start); got != i {
			t.Errorf("the start of phase %d lies in %d", i, got)
		}
		if got := phaseAt(phases, p.end-1); got != i {
			t.Errorf("the last moment of phase %d lies in %d", i, got)
		}
	}
	if got := phaseAt(phases, time.Hour); got != len(phases)-1 {
		t.Errorf("after the end is phase %d", got)
	}
}

func TestWaitUntil(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		if !waitUntil(t.Context(), start.Add(time.Second)) || time.Since(start) != time.Second {
			t.Errorf("waited %v, want 1s", time.Since(start))
		}
		if !waitUntil(t.Context(), start) || time.Since(start) != time.Second {
			t.Error("waited for what is past")
		}
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		if waitUntil(ctx, start.Add(time.Hour)) || time.Since(start) != 1300*time.Millisecond {
			t.Errorf("a wait that is cut returned after %v", time.Since(start))
		}
		if waitUntil(ctx, start) {
			t.Error("nothing is due once the context has ended")
		}
	})
}

func TestServiceTimesAreSeeded(t *testing.T) {
	total, same := time.Duration(0), 0
	const n = 2000
	for id := range n {
		d := serviceTime(1, 2, id)
		if d < serviceLeast || d > serviceMost {
			t.Fatalf("call %d takes %v", id, d)
		}
		if d != serviceTime(1, 2, id) {
			t.Fatalf("call %d takes two different times", id)
		}
		if d == serviceTime(1, 3, id) || d == serviceTime(2, 2, id) {
			same++
		}
		total += d
	}
	if mean := total / n; mean < serviceMedian || mean > 2*serviceMedian {
		t.Errorf("%v on average", mean)
	}
	if same > n/20 { // those at the bounds
		t.Errorf("%d of %d calls take as long on another node or with another seed", same, n)
	}
}
