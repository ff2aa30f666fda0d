package main

import (
	"context"
	"fmt"
	"io"
	"time"
)

const nodeCount = 6

// storm runs one storm from start to end, and leaves nothing running.
func storm(ctx context.Context, s setup, m *meter, w io.Writer, terminal bool) (report, error) {
	nodes, err := startNodes(nodeCount, s.seed)
	if err != nil {
		return report{}, err
	}
	defer stopNodes(nodes)

	phases, turns := script(s.duration)
	ours, err := newHoldfast(addrs(nodes), len(phases), m)
	if err != nil {
		return report{}, err
	}
	clients := []*client{newBare(addrs(nodes)), ours}
	defer func() {
		for _, c := range clients {
			c.close()
		}
	}()
	for _, dial := range []func() (*client, error){
		func() (*client, error) { return newGRPCBare(grpcAddrs(nodes)) },
		func() (*client, error) { return newGRPCHoldfast(grpcAddrs(nodes), len(phases), m) },
	} {
		client, err := dial()
		if err != nil {
			return report{}, err
		}
		clients = append(clients, client)
	}
	c := newContest(phases, schedule(s.seed, s.rate, s.duration), clients)
	_, _ = fmt.Fprintf(w, "%d servers on 127.0.0.1; %d calls to be made by each client in %v, at the same times; seed %d.\n",
		nodeCount, len(c.arrivals), s.duration, s.seed)

	// Twice what is under way when every call waits for as long as it may.
	inFlight := int(2*s.rate*patience.Seconds()) + 100
	going, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	start := time.Now()
	stopShow := inBackground(going, func(ctx context.Context) { c.show(ctx, w, terminal, start) })
	stopPlay := inBackground(going, func(ctx context.Context) {
		if err := play(ctx, start, turns, nodes); err != nil && ctx.Err() == nil {
			cancel(err) // without its faults it is no storm
		}
	})
	sent := c.run(going, start, inFlight)
	stopPlay()
	stopShow()

	if err := context.Cause(going); err != nil && ctx.Err() == nil {
		return report{}, err
	}
	r := report{setup: s, interrupted: sent < len(c.arrivals), start: start, phases: phases, clients: clients}
	if r.metrics, err = m.read(); err != nil {
		return report{}, err
	}
	for i := range clients {
		r.samples = append(r.samples, c.samples[i][:sent])
	}
	return r, nil
}
