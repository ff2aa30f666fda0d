package main

import (
	"context"
	"math"
	"math/rand/v2"
	"time"
)

// A fault is what is wrong with a node.
type fault uint8

const (
	healthy fault = iota
	slow          // takes slowness times as long
	failing       // answers 503 at once
	hanging       // takes requests and does not answer until it is over
	down          // its listener and its connections are closed: dials are refused
)

const slowness = 20

// Service times are log-normal, as those of many real services are.
const (
	serviceMedian = 6 * time.Millisecond
	serviceSpread = 0.5
	serviceLeast  = time.Millisecond
	serviceMost   = 40 * time.Millisecond
)

// serviceTime is how long a healthy node works on a call. It is a function of
// the seed, the node and the call, and not of who came first, so that both
// clients meet the same luck.
func serviceTime(seed uint64, node, id int) time.Duration {
	r := rand.New(rand.NewPCG(seed, uint64(id)<<8|uint64(node)))
	t := time.Duration(float64(serviceMedian) * math.Exp(serviceSpread*r.NormFloat64()))
	return min(max(t, serviceLeast), serviceMost)
}

// A phase is a stretch of the storm.
type phase struct {
	name       string
	start, end time.Duration
	outage     bool // no client can do well in it: it is counted by itself
	after      bool // the moment in which clients find out that it is over: what counts is how long that takes them
}

// A turn is a change of what is wrong with a node.
type turn struct {
	at    time.Duration
	node  int // everyNode: all of them
	fault fault
}

const everyNode = -1

// script divides a storm of length d into phases, one fault at a time. The
// outage takes two seconds, or a seventh of a storm of less than twelve, and the
// moment after it half of that; the other phases share the rest evenly.
func script(d time.Duration) ([]phase, []turn) {
	outage := 2 * time.Second
	if d < 12*time.Second {
		outage = d / 7
	}
	each := (d - outage - outage/2) / 6
	phases := []phase{
		{name: "all healthy"},
		{name: "one 20x slower"},
		{name: "one answers 503"},
		{name: "one hangs"},
		{name: "one refuses, returns"},
		{name: "all six down", outage: true},
		{name: "back again", after: true},
		{name: "recovered"},
	}
	at := time.Duration(0)
	for i := range phases {
		phases[i].start = at
		at += each
		switch {
		case phases[i].outage:
			at += outage - each
		case phases[i].after:
			at += outage/2 - each
		}
		phases[i].end = at
	}
	phases[len(phases)-1].end = d
	refusing := phases[4]
	return phases, []turn{
		{phases[1].start, 1, slow},
		{phases[2].start, 1, healthy},
		{phases[2].start, 2, failing},
		{phases[3].start, 2, healthy},
		{phases[3].start, 3, hanging},
		{phases[4].start, 3, healthy},
		{phases[4].start, 4, down},
		{(refusing.start + refusing.end) / 2, 4, healthy},
		{phases[5].start, everyNode, down},
		{phases[6].start, everyNode, healthy},
	}
}

// phaseAt returns the index of the phase that at lies in.
func phaseAt(phases []phase, at time.Duration) int {
	for i, p := range phases {
		if at < p.end {
			return i
		}
	}
	return len(phases) - 1
}

// play makes the turns when they are due, counted from start, until ctx ends.
func play(ctx context.Context, start time.Time, turns []turn, nodes []*node) error {
	for _, t := range turns {
		if !waitUntil(ctx, start.Add(t.at)) {
			return nil
		}
		if err := apply(ctx, t, nodes); err != nil {
			return err
		}
	}
	return nil
}

// apply makes one turn, on all its nodes at the same time.
func apply(ctx context.Context, t turn, nodes []*node) error {
	errs := make(chan error, len(nodes))
	n := 0
	for i, node := range nodes {
		if t.node == everyNode || t.node == i {
			n++
			go func() { errs <- node.turn(ctx, t.fault) }()
		}
	}
	var first error
	for range n {
		if err := <-errs; err != nil && first == nil {
			first = err
		}
	}
	return first
}

// waitUntil waits for a time of the clock; it returns false when ctx ends first.
func waitUntil(ctx context.Context, t time.Time) bool {
	if ctx.Err() != nil {
		return false
	}
	d := time.Until(t)
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
