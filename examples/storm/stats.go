package main

import (
	"math"
	"slices"
	"time"
)

// A sample is what became of one call of one client. It belongs to the phase in
// which the call was due, whenever it ended.
type sample struct {
	phase    int
	due      time.Duration // after the start of the storm
	sent, ok bool
	why      string        // it failed: "503", "timed out", …
	took     time.Duration // from when it was due until it was over, well or not
	late     time.Duration // of that, until it was sent: this machine's doing, not the client's
	attempts int32         // counted at the transport
}

// figures sum up the calls of one client.
type figures struct {
	calls, sent, ok int
	attempts        int
	failed          map[string]int // by why
	p50, p99, p999  time.Duration  // of all calls sent, those that failed too
	late            time.Duration  // the 99th percentile of how late they were sent
}

// perCall is how many attempts were made for each call that was sent.
func (f figures) perCall() float64 {
	if f.sent == 0 {
		return 0
	}
	return float64(f.attempts) / float64(f.sent)
}

// sum sums up the samples of the phases that in wants.
func sum(samples []sample, in func(phase int) bool) figures {
	f := figures{failed: map[string]int{}}
	var took, late []time.Duration
	for _, s := range samples {
		if !in(s.phase) {
			continue
		}
		f.calls++
		f.attempts += int(s.attempts)
		switch {
		case s.ok:
			f.ok++
		default:
			f.failed[s.why]++
		}
		if s.sent {
			f.sent++
			took, late = append(took, s.took), append(late, s.late)
		}
	}
	slices.Sort(took)
	slices.Sort(late)
	f.late = percentile(late, 99)
	f.p50, f.p99, f.p999 = percentile(took, 50), percentile(took, 99), percentile(took, 99.9)
	return f
}

// percentile returns the p-th percentile of sorted durations by nearest rank: the
// least that at least p percent do not exceed, one that was really measured. It
// is 0 when there are none.
func percentile(sorted []time.Duration, p float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	rank := math.Ceil(p*float64(len(sorted))/100 - 1e-9) // 99.9 % of 1000 is the 999th, whatever rounding says
	return sorted[min(max(int(rank), 1), len(sorted))-1]
}
