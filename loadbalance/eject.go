package loadbalance

import (
	"fmt"
	"math"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/clock"
	"github.com/holdfast-go/holdfast/internal/option"
	"github.com/holdfast-go/holdfast/internal/rpccode"
)

// EjectOptions say when a node is left out for a while: outlier ejection, as in
// Envoy and gRFC A50. The zero value is the default of every field; a negative
// value switches off what the field is for.
type EjectOptions struct {
	// ConsecutiveFailures ejects after so many errors in a row: 0 means 5; negative: never.
	ConsecutiveFailures int
	// FailureRatio ejects when more than this part of a node's calls in an Interval are
	// errors, of MinSamples calls at least: 0 means 0.85; negative: never.
	FailureRatio float64
	// Deviations ejects a node whose part of successes is so many standard deviations
	// below the mean of all, each with 100 calls in an Interval at least: 0 means 1.9;
	// negative: never.
	Deviations float64
	// MinSamples is how many calls a node must have in an Interval for FailureRatio: 0 means
	// 50; negative: 1.
	MinSamples int
	// MinHosts is how many nodes must have as many calls as FailureRatio, or Deviations, asks
	// for: 0 means 5; negative: 1.
	MinHosts int
	// Interval is how often the calls are counted up: 0 and negative mean 10 s.
	Interval time.Duration
	// BaseDuration is how long the first ejection lasts, a tenth more or less; the next ones
	// last two, three times as long, until the node was healthy for as many Intervals: 0
	// means 30 s; negative: nodes are not ejected at all.
	BaseDuration time.Duration
	// MaxDuration bounds how long one lasts: 0 means 300 s; negative: 24 h, which is also the most it can be.
	MaxDuration time.Duration
	// MaxShare is the part of the nodes that may be ejected at once, and one may be in any
	// case: 0 means 0.3; negative: none but that one. At most 1.
	MaxShare float64
	// Counts says which Results are errors; nil means those of the infrastructure:
	// what did not connect, broke off, ran out of time, 502, 503, 504, UNAVAILABLE,
	// DEADLINE_EXCEEDED. A 500 may be a caller's own doing, of which every node has as
	// many. It must be safe for concurrent use.
	Counts func(holdfast.Result) bool
}

func (o EjectOptions) filled() EjectOptions {
	o.ConsecutiveFailures = option.Of(o.ConsecutiveFailures, 5, option.Off)
	o.FailureRatio = option.Of(o.FailureRatio, 0.85, option.Off)
	o.Deviations = option.Of(o.Deviations, 1.9, option.Off)
	o.MinSamples, o.MinHosts = option.Of(o.MinSamples, 50, 1), option.Of(o.MinHosts, 5, 1)
	o.Interval = option.Of(o.Interval, 10*time.Second, 10*time.Second)
	o.BaseDuration = option.Span(o.BaseDuration, 30*time.Second, option.Off)
	o.MaxDuration = option.Span(o.MaxDuration, 300*time.Second, option.Day)
	o.MaxShare = min(option.Of(o.MaxShare, 0.3, option.Off), 1)
	if o.Counts == nil {
		o.Counts = infrastructure
	}
	return o
}

// infrastructure reports whether a Result tells of a server that is not there or
// not well, and not of what was asked of it.
func infrastructure(res holdfast.Result) bool {
	return res.Class.Server() == holdfast.Unhealthy && (res.Class.Again(false) || !rpccode.Application(res.Code))
}

// minSuccessVolume is that of the success rate.
const minSuccessVolume = 100

// A state is a node's health, guarded by the Pool's lock but for what is atomic.
type state struct {
	ready    bool // the transport can send to it
	ill      bool // a check says so
	ejected  bool
	waiting  bool // its time is over: one call may show that it is back
	times    int  // how often it was ejected lately
	spared   bool // it was told that it would be ejected
	timer    *time.Timer
	cancel   func()       // of the check
	probing  atomic.Int64 // when that call began; 0: there is none
	returned atomic.Bool  // its slow start is that after an ejection
}

// stop ends the timer and the check; the lock is held.
func (s *state) stop() {
	if s.timer != nil {
		s.timer.Stop()
	}
	if s.cancel != nil {
		s.cancel()
	}
}

// judge takes in what an attempt says of its node's health.
func (p *Pool) judge(d Picked, res holdfast.Result) {
	n, o := d.Node, &p.o.Eject
	if o.BaseDuration < 0 {
		return
	}
	known := res.Class.Server() != holdfast.Unknown
	counted := res.Class == holdfast.Success || known && o.Counts(res)
	if d.probe != 0 {
		p.probed(n, d.probe, counted, res)
	}
	switch {
	case res.Class == holdfast.Success:
		n.good.Add(1)
		if n.row.Load() != 0 {
			n.row.Store(0)
		}
	case counted:
		n.bad.Add(1)
		if row := n.row.Add(1); o.ConsecutiveFailures > 0 && int(row) >= o.ConsecutiveFailures {
			p.eject(n, "consecutive_failures", fmt.Sprintf("%d errors in a row", row))
		}
	case known: // it has answered for itself
		n.good.Add(1)
		if res.Class.Server() == holdfast.Healthy {
			n.row.Store(0)
		}
	}
}

// broke takes in the end of an answer that began well: one that broke off is an error.
func (p *Pool) broke(n *Node, end holdfast.End) {
	if end.Class.Server() == holdfast.Unhealthy && end.Err != nil && p.o.Eject.BaseDuration >= 0 && p.o.Eject.Counts(holdfast.Result{Err: end.Err, Class: end.Class, Code: end.Code}) {
		n.bad.Add(1)
	}
}

// probed ends the call of a node that was to show whether it is back.
func (p *Pool) probed(n *Node, probe int64, counted bool, res holdfast.Result) {
	p.mu.Lock()
	if !n.state.ejected || !n.state.probing.CompareAndSwap(probe, 0) {
		p.mu.Unlock()
		return
	}
	switch {
	case res.Class == holdfast.Success, !counted && res.Class.Server() != holdfast.Unknown:
		n.state.ejected, n.state.waiting = false, false
		n.state.returned.Store(true)
		n.ramp.Store(clock.Now())
		n.row.Store(0)
		n.cost.Store(0) // what it took when it was ill says nothing any more
		p.became(n, "back", "probe", "the probe succeeded", 0, nil)
		p.rebuild()
	case counted:
		n.state.ejected = false // to be ejected again, for longer
		p.ejectNow(n, "probe", "the probe failed")
	default: // it said nothing: the next call asks
		p.announce()
	}
	p.mu.Unlock()
	p.tell()
}

func (p *Pool) eject(n *Node, rule, why string) {
	p.mu.Lock()
	p.ejectNow(n, rule, why)
	p.mu.Unlock()
	p.tell()
}

// ejectNow ejects a node, if that may be; the lock is held. How many are ejected is
// counted anew each time: a counter of its own would be wrong one day.
func (p *Pool) ejectNow(n *Node, rule, why string) {
	if n.state.ejected || p.closed || p.nodes[n.addr] != n || p.o.Eject.BaseDuration < 0 {
		return
	}
	ejected := 0
	for _, other := range p.order {
		if other.state.ejected {
			ejected++
		}
	}
	if most := max(int(p.o.Eject.MaxShare*float64(len(p.order))), 1); ejected+1 > most || len(p.order) < 2 {
		if !n.state.spared { // once an Interval
			n.state.spared = true
			p.became(n, "spared", rule, why, 0, nil)
		}
		return
	}
	o := &p.o.Eject
	n.state.times++
	d := min(o.BaseDuration*time.Duration(n.state.times), o.MaxDuration)
	d = d*9/10 + rand.N(d/5+1)
	n.state.ejected, n.state.waiting = true, false
	n.row.Store(0)
	n.state.timer = time.AfterFunc(d, func() { p.halfOpen(n) })
	p.became(n, "ejected", rule, why, d, nil)
	p.rebuild()
}

// halfOpen has one call show whether the node is back.
func (p *Pool) halfOpen(n *Node) {
	p.mu.Lock()
	if n.state.ejected && !p.closed && p.nodes[n.addr] == n {
		n.state.waiting = true
		n.state.probing.Store(0)
		p.became(n, "probing", "due", "its time has passed", 0, nil)
		p.rebuild()
	}
	p.mu.Unlock()
	p.tell()
}

// startSweep looks at the counts every Interval, while there are nodes; the lock is
// held.
func (p *Pool) startSweep() {
	if p.sweep != nil || p.o.Eject.BaseDuration < 0 || len(p.nodes) == 0 {
		return
	}
	p.sweep = time.AfterFunc(p.o.Eject.Interval, p.sweepNow)
}

// A count is one node's of an interval.
type count struct {
	n         *Node
	good, bad float64
}

func (c count) rate() float64 { return c.good / (c.good + c.bad) }

func (p *Pool) sweepNow() {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return
	}
	var counts []count
	for _, n := range p.order {
		c := count{n, float64(n.good.Swap(0)), float64(n.bad.Swap(0))}
		n.state.spared = false
		if n.state.ejected {
			continue
		}
		if c.bad == 0 && n.state.times > 0 {
			n.state.times--
		}
		counts = append(counts, c)
	}
	p.byRate(counts)
	p.byFailures(counts)
	p.sweep.Reset(p.o.Eject.Interval)
	p.mu.Unlock()
	p.tell()
}

// byRate is the success rate rule; the lock is held.
func (p *Pool) byRate(counts []count) {
	o := &p.o.Eject
	var known []count
	mean := 0.0
	for _, c := range counts {
		if c.good+c.bad >= minSuccessVolume {
			known = append(known, c)
			mean += c.rate()
		}
	}
	if o.Deviations < 0 || len(known) < o.MinHosts {
		return
	}
	mean /= float64(len(known))
	variance := 0.0
	for _, c := range known {
		variance += (c.rate() - mean) * (c.rate() - mean) / float64(len(known))
	}
	least := mean - o.Deviations*math.Sqrt(variance)
	for _, c := range known {
		if c.rate() < least {
			p.ejectNow(c.n, "success_rate", fmt.Sprintf("%.1f %% of its calls succeeded, %.1f %% of all", 100*c.rate(), 100*mean))
		}
	}
}

// byFailures is the failure percentage rule; the lock is held.
func (p *Pool) byFailures(counts []count) {
	o := &p.o.Eject
	known := 0
	for _, c := range counts {
		if c.good+c.bad >= float64(o.MinSamples) {
			known++
		}
	}
	if o.FailureRatio < 0 || known < o.MinHosts {
		return
	}
	for _, c := range counts {
		if c.good+c.bad >= float64(o.MinSamples) && 1-c.rate() > o.FailureRatio {
			p.ejectNow(c.n, "failure_ratio", fmt.Sprintf("%.1f %% of its calls failed", 100*(1-c.rate())))
		}
	}
}
