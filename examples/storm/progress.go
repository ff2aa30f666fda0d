package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// live counts calls as they end, for the eyes; the report counts the samples.
type live struct {
	done, ok [][]atomic.Int64 // by client and phase
}

func newLive(clients, phases int) *live {
	l := new(live)
	for range clients {
		l.done = append(l.done, make([]atomic.Int64, phases))
		l.ok = append(l.ok, make([]atomic.Int64, phases))
	}
	return l
}

func (l *live) count(client int, s *sample) {
	l.done[client][s.phase].Add(1)
	if s.ok {
		l.ok[client][s.phase].Add(1)
	}
}

// success is the part of the calls of a phase that ended well, of those that ended.
func (l *live) success(client, phase int) float64 {
	done := l.done[client][phase].Load()
	if done == 0 {
		return 1
	}
	return float64(l.ok[client][phase].Load()) / float64(done)
}

// show tells how the storm goes until ctx ends: a bar that moves on a terminal,
// elsewhere a line for each phase. Whether anybody sees it does not matter to
// the storm.
func (c *contest) show(ctx context.Context, w io.Writer, terminal bool, start time.Time) {
	end := c.phases[len(c.phases)-1].end
	if !terminal {
		for _, p := range c.phases {
			if !waitUntil(ctx, start.Add(p.start)) {
				return
			}
			_, _ = fmt.Fprintf(w, "%6.1f s  %s\n", p.start.Seconds(), p.name)
		}
		return
	}
	for next := start; ; next = next.Add(100 * time.Millisecond) {
		at := min(max(time.Since(start), 0), end)
		_, _ = fmt.Fprintf(w, "\r%s\x1b[K", c.bar(at, end))
		if !waitUntil(ctx, next) {
			_, _ = fmt.Fprint(w, "\r\x1b[K")
			return
		}
	}
}

// bar is one line of less than 80 columns.
func (c *contest) bar(at, end time.Duration) string {
	const width = 16
	full := int(width * at / end)
	phase := phaseAt(c.phases, at)
	var b strings.Builder
	fmt.Fprintf(&b, "[%s%s] %4.1f s  %-20s", strings.Repeat("#", full), strings.Repeat("-", width-full), at.Seconds(), c.phases[phase].name)
	for i := 0; i+1 < len(c.clients); i += 2 { // bare > with holdfast
		kind, _, _ := strings.Cut(c.clients[i].name, " ")
		fmt.Fprintf(&b, " %s %.0f>%.0f%%", kind, 100*c.live.success(i, phase), 100*c.live.success(i+1, phase))
	}
	return b.String()
}

// inBackground runs f until stop is called, which waits for it.
func inBackground(ctx context.Context, f func(context.Context)) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() { f(ctx) })
	return func() {
		cancel()
		wg.Wait()
	}
}
