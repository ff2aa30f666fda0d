package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"time"
)

// How long calls may go on when the client is shut down, and the servers have to be well until
// all circuits are closed.
const (
	patience = 5 * time.Second
	recovery = 2 * time.Minute
)

// soak runs the whole, and returns what is left of it as an error.
func soak(ctx context.Context, s setup, out io.Writer) error {
	// What the packages keep for as long as the process runs (a poller, pools of buffers) is there
	// once all has run.
	if err := round(ctx, setup{time.Second, s.seed, s.rate}, nil); err != nil {
		return err
	}
	start := settled(nil)
	p := &printer{out: out, began: time.Now()}
	p.head()
	p.row("at start", start)
	if err := round(ctx, s, p); err != nil {
		return err
	}
	end := settled(&start)
	p.row("at end", end)
	return end.more(start)
}

// round is one life of servers and clients: faults, a time without, and the end of all. A nil
// printer says nothing.
func round(ctx context.Context, s setup, p *printer) error {
	nodes, err := startNodes(4, s.seed)
	if err != nil {
		return err
	}
	defer func() {
		for _, n := range nodes {
			n.stop()
		}
	}()
	c, err := newClients(nodes)
	if err != nil {
		return err
	}
	closed := false
	defer func() {
		if !closed {
			_ = c.close(0)
		}
	}()

	faults, stopFaults := context.WithTimeout(ctx, s.length)
	defer stopFaults()
	troubles := background(func() { trouble(faults, nodes) })
	reloads := background(func() { c.reload(faults, rand.New(rand.NewPCG(s.seed, 2))) })
	load := newLoad(c, s)
	calls := background(func() { load.run(faults) })
	if p != nil {
		p.watch(faults, c, load)
	}
	<-faults.Done()
	<-troubles
	<-reloads
	<-calls

	if err := c.recover(load); err != nil {
		return err
	}
	if p != nil {
		p.row("all well again", c.snapshot(load))
	}
	// The client is closed under load.
	last := background(func() { load.run(context.Background()) })
	time.Sleep(min(s.length, time.Second))
	closed = true
	err = c.close(patience)
	load.stop()
	<-last
	return errors.Join(err, c.idle())
}

// background runs f; the channel is closed when it is over.
func background(f func()) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	return done
}

// recover calls all targets whose circuit is not closed, or whose budget has been drawn from, until
// they are as they began.
func (c *clients) recover(l *load) error {
	if err := c.restore(); err != nil {
		return err
	}
	for end := time.Now().Add(recovery); ; time.Sleep(20 * time.Millisecond) {
		ill := c.ill()
		if len(ill) == 0 {
			break
		}
		if time.Now().After(end) {
			return fmt.Errorf("%d circuits and budgets are not as they began %v after all servers were well: %.200v", len(ill), recovery, ill)
		}
		for _, target := range ill {
			l.heal(target)
		}
	}
	return c.idle()
}
