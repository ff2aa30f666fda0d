package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/breaker"
)

// A snapshot is what the process and its clients hold.
type snapshot struct {
	goroutines, descriptors int     // descriptors -1: the system does not tell
	heap                    float64 // MiB, after collection
	clients                 bool    // there are some, and what follows is theirs
	calls, good             uint64
	inFlight                float64
	tokens                  float64 // the least of any target
	circuits                [4]int  // closed, open, half-open, isolated
}

// The heap may be larger at the end by this much, in MiB: the runtime keeps what it needs for the
// most goroutines and timers that there were at once, and gRPC and net/http keep pools of buffers.
// A leak of 20 bytes for each call of an hour would be more.
const heapTolerance = 2.0

// measured is what the process holds.
func measured() snapshot {
	for range 3 { // what is freed by one is found by the next
		debug.FreeOSMemory()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	s := snapshot{goroutines: runtime.NumGoroutine(), descriptors: -1, heap: float64(m.HeapAlloc) / (1 << 20)}
	if fds, err := os.ReadDir("/proc/self/fd"); err == nil {
		s.descriptors = len(fds) - 1 // of the folder itself
	}
	return s
}

// settled is measured when the last goroutines have ended: as few as at the start, or as many as
// there are after ten seconds.
func settled(start *snapshot) snapshot {
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		s := measured()
		if start != nil && s.more(*start) == nil || start == nil && s.goroutines <= 3 || time.Now().After(end) {
			return s
		}
	}
}

// more says what of s is more than at the start.
func (s snapshot) more(start snapshot) error {
	var errs []error
	if s.goroutines > start.goroutines {
		errs = append(errs, fmt.Errorf("%d goroutines, %d at the start", s.goroutines, start.goroutines))
	}
	if s.descriptors > start.descriptors {
		errs = append(errs, fmt.Errorf("%d descriptors, %d at the start", s.descriptors, start.descriptors))
	}
	if s.heap > start.heap+heapTolerance {
		errs = append(errs, fmt.Errorf("a heap of %.1f MiB, %.1f at the start", s.heap, start.heap))
	}
	return errors.Join(errs...)
}

// snapshot is measured, with what the clients hold.
func (c *clients) snapshot(l *load) snapshot {
	s := measured()
	s.clients, s.tokens, s.calls, s.good = true, math.Inf(1), l.made.Load(), l.good.Load()
	for _, stack := range c.stacks {
		stack.Breaker().Each(func(key string, is breaker.Status) bool {
			if key != shared {
				s.circuits[is.State]++
			}
			return true
		})
		for _, p := range stack.Inside() {
			m, ok := p.(holdfast.Measured)
			if !ok {
				continue
			}
			for f := range m.Figures {
				switch f.Name {
				case "limit_in_flight":
					s.inFlight += f.Value
				case "retry_budget_tokens":
					if f.Labels["target"] != shared {
						s.tokens = min(s.tokens, f.Value)
					}
				}
			}
		}
	}
	return s
}

// A printer prints a table.
type printer struct {
	out   io.Writer
	began time.Time
}

func (p *printer) head() {
	_, _ = fmt.Fprintf(p.out, "%-15s %8s %10s %8s %11s %9s %9s %9s %7s %6s %4s %9s\n",
		"", "time", "goroutines", "heap MiB", "descriptors", "calls", "good", "in flight", "tokens", "closed", "open", "half-open")
}

func (p *printer) row(name string, s snapshot) {
	line := fmt.Sprintf("%-15s %8s %10d %8.1f %11d", name, time.Since(p.began).Round(time.Second), s.goroutines, s.heap, s.descriptors)
	if s.clients {
		line += fmt.Sprintf(" %9d %9d %9g %7.3g %6d %4d %9d", s.calls, s.good, s.inFlight, s.tokens, s.circuits[breaker.Closed], s.circuits[breaker.Open], s.circuits[breaker.HalfOpen])
	}
	_, _ = fmt.Fprintln(p.out, line)
}

// watch prints a row each minute until ctx ends.
func (p *printer) watch(ctx context.Context, c *clients, l *load) {
	for sleep(ctx, time.Minute) {
		p.row("", c.snapshot(l))
	}
}
