package main

import (
	"fmt"
	"strings"
	"time"
)

// The kinds of scenario.
const (
	alone   = "undisturbed"
	stopped = "stopped" // now and then, for a while
	starved = "starved" // stopped for three quarters of each period
	quota   = "quota"   // the kernel gives it a quarter of the processor time that it wants
	hang    = "hang"    // starved, and the servers hang
)

// The duty cycle of a starved client, whose period is that of a CPU quota, and the
// part of the time that it gets.
const (
	period  = 100 * time.Millisecond
	working = 25 * time.Millisecond
	share   = float64(working) / float64(period)
)

// between is how long a client runs between two stops, a fifth more or less.
const between = 900 * time.Millisecond

// opensWithin is how long a starved client may take to find out that all servers
// hang: at a quarter of the time of the longest wait, an attempt's limit and what a
// pause adds to it, which is a second.
const opensWithin = 5 * time.Second

// A scenario is what is done to the clients.
type scenario struct {
	Kind  string
	Stop  time.Duration // how long each stop lasts, of kind stopped
	Lasts time.Duration // one run
	Hangs time.Duration // after the start of the run, of kind hang
}

func (s scenario) name() string {
	if s.Kind == stopped {
		return fmt.Sprintf("%s %d ms", stopped, s.Stop.Milliseconds())
	}
	return s.Kind
}

// both reports whether a bare client runs too: where the servers hang no client
// can do well, and a bare one has no circuit to open.
func (s scenario) both() bool { return s.Kind != hang }

// scenarios lists what s asks for.
func (s setup) scenarios() (list []scenario) {
	stops := []time.Duration{50 * time.Millisecond, 200 * time.Millisecond, 600 * time.Millisecond, 2 * time.Second}
	least, cycles := 6*time.Second, 3
	if s.short {
		stops = stops[1:]
		least, cycles = 2200*time.Millisecond, 1
	}
	if !s.short {
		list = append(list, scenario{Kind: alone, Lasts: least})
	}
	for _, stop := range stops {
		list = append(list, scenario{Kind: stopped, Stop: stop, Lasts: max(least, lasting(cycles, between+stop)+between/2)})
	}
	list = append(list, scenario{Kind: starved, Lasts: least})
	if !s.short {
		list = append(list, scenario{Kind: quota, Lasts: least})
	}
	healthy := 2 * time.Second
	if s.short {
		healthy = time.Second
	}
	list = append(list, scenario{Kind: hang, Lasts: healthy + opensWithin, Hangs: healthy})
	kept := list[:0]
	for _, one := range list {
		if strings.Contains(one.name(), s.only) {
			kept = append(kept, one)
		}
	}
	return kept
}

// lasting is how long n times d are.
func lasting(n int, d time.Duration) time.Duration { return time.Duration(n) * d }

func names(s setup) (list []string) {
	for _, one := range s.scenarios() {
		list = append(list, one.name())
	}
	return list
}
