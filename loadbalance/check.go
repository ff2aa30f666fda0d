package loadbalance

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/holdfast-go/holdfast/discovery"
	"github.com/holdfast-go/holdfast/internal/clock"
	"github.com/holdfast-go/holdfast/internal/option"
	"github.com/holdfast-go/holdfast/internal/pause"
)

// Checks ask each node now and then whether it is healthy, whatever calls say. The
// zero Checks are none.
type Checks struct {
	// Probe returns nil for a node that is healthy: HTTP and TCP make one, grpcclient has
	// one for gRPC's health protocol. nil: there are no checks.
	Probe func(ctx context.Context, e discovery.Endpoint) error
	// Interval is how often each node is asked, a fifth more or less: 0 means 15 s; negative: never.
	Interval time.Duration
	// Timeout of one: 0 and negative mean 1 s.
	Timeout time.Duration
	// UnhealthyThreshold and HealthyThreshold are how many answers in a row make a node
	// unhealthy, and healthy again: 0 means 3, and 2; negative: 1. The first answer of a
	// node decides alone.
	UnhealthyThreshold, HealthyThreshold int
}

func (c Checks) filled() Checks {
	c.Interval = option.Span(c.Interval, 15*time.Second, option.Off)
	c.Timeout = option.Span(c.Timeout, time.Second, time.Second)
	c.UnhealthyThreshold, c.HealthyThreshold = option.Of(c.UnhealthyThreshold, 3, 1), option.Of(c.HealthyThreshold, 2, 1)
	return c
}

// startCheck begins the checks of a node; the lock is held.
func (p *Pool) startCheck(n *Node) {
	if p.o.Check.Probe == nil || p.o.Check.Interval < 0 {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	n.state.cancel = cancel
	p.checks.Go(func() { p.check(ctx, n) })
}

// check asks until ctx ends. One that takes too long is a no, and asking goes on.
func (p *Pool) check(ctx context.Context, n *Node) {
	c := &p.o.Check
	excused := 0          // questions in a row that this process did not wait for
	row, first := 0, true // answers in a row that are other than what the node is held for
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		err, stood := p.ask(ctx, n)
		if ctx.Err() != nil {
			return
		}
		if err != nil && stood && excused < c.UnhealthyThreshold { // this process did not wait for the answer: it asks again, soon
			excused++
			timer.Reset(c.Timeout/2 + rand.N(c.Timeout/2+1))
			continue
		}
		row = p.checkedNow(n, err, row, first)
		first, excused = false, 0
		timer.Reset(c.Interval*4/5 + rand.N(c.Interval*2/5+1))
	}
}

// ask reports whether this process stood still while it waited for the answer, so that a
// time that ran out tells nothing of the node.
func (p *Pool) ask(ctx context.Context, n *Node) (err error, stood bool) { //nolint:revive // the error is what was asked for
	ctx, cancel := context.WithTimeout(ctx, p.o.Check.Timeout)
	defer cancel()
	began := clock.Now()
	w := pause.Begin(began)
	defer w.End()
	err = p.o.Check.Probe(ctx, n.Endpoint())
	missed, _ := pause.Between(began, clock.Now())
	return err, ctx.Err() != nil && missed > 0
}

func (p *Pool) checkedNow(n *Node, err error, row int, first bool) int {
	p.mu.Lock()
	defer func() {
		p.mu.Unlock()
		p.tell()
	}()
	if ill := err != nil; ill == n.state.ill {
		return 0
	}
	row++
	most, what, why := p.o.Check.UnhealthyThreshold, "unhealthy", ""
	if err == nil {
		most, what = p.o.Check.HealthyThreshold, "healthy"
	} else {
		why = "its check failed" // the text of the error may hold what a log must not
	}
	if row < most && !first {
		return row
	}
	n.state.ill = err != nil
	if err == nil && p.o.SlowStart > 0 {
		n.ramp.Store(clock.Now())
	}
	p.became(n, what, "check", why, 0, err)
	p.rebuild()
	return 0
}
