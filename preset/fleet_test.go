package preset_test

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
)

// A fleet is a number of clients, each with policies of its own, that together
// call one server in an open loop: calls come as they come, whether or not the
// server keeps up.
type fleet struct {
	clients  int
	rate     float64 // calls per second of all of them together
	last     time.Duration
	policies func() []holdfast.Policy
	server   *server
	watch    func(err error) // told of each call, one after the other; nil: nobody
}

// A tally counts by second of the run.
type tally struct {
	calls, good []atomic.Int64
	attempts    []atomic.Int64
}

func newTally(seconds int) *tally {
	return &tally{make([]atomic.Int64, seconds), make([]atomic.Int64, seconds), make([]atomic.Int64, seconds)}
}

func sum(counts []atomic.Int64, from, to int) (n float64) {
	for i := from; i < min(to, len(counts)); i++ {
		n += float64(counts[i].Load())
	}
	return n
}

// amplification is the attempts made for each call in the seconds [from, to).
func (t *tally) amplification(from, to int) float64 {
	return sum(t.attempts, from, to) / sum(t.calls, from, to)
}

// success is the share of the calls begun in the seconds [from, to) that succeeded.
func (t *tally) success(from, to int) float64 {
	return sum(t.good, from, to) / sum(t.calls, from, to)
}

// recovered returns how many seconds after the second from it takes until nine
// calls in ten succeed, and go on to for five seconds; -1: they never do.
func (t *tally) recovered(from int) int {
	row := 0
	for s := from; s < len(t.calls); s++ {
		if t.success(s, s+1) < 0.9 {
			row = 0
		} else if row++; row == 5 {
			return s - 4 - from
		}
	}
	return -1
}

// run plays the fleet in a bubble, and returns what became of it. Successes count
// in the second in which their call began.
func (f fleet) run(t *testing.T) *tally {
	t.Helper()
	if raceEnabled {
		t.Skip("the race detector cannot follow a storm's hundred thousand goroutines; it runs without")
	}
	counts := newTally(int(f.last / time.Second))
	synctest.Test(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(1, 2))
		start := time.Now()
		f.server.start, f.server.counts = start, counts
		handlers := make([]holdfast.Handler, f.clients)
		for i := range handlers {
			handlers[i] = holdfast.Chain(f.policies()...)
		}
		var calls sync.WaitGroup
		var watching sync.Mutex
		for {
			time.Sleep(time.Duration(rng.ExpFloat64() / f.rate * float64(time.Second)))
			at := time.Since(start)
			if at >= f.last {
				break
			}
			client := rng.IntN(f.clients)
			service := time.Duration(rng.ExpFloat64() * float64(f.server.service))
			counts.calls[at/time.Second].Add(1)
			calls.Go(func() {
				_, err := holdfast.Do(t.Context(), handlers[client], holdfast.Call{Target: "server", Method: "get", Repeatable: true},
					func(ctx context.Context) (int, error) { return 0, f.server.serve(ctx, service) })
				if err == nil {
					counts.good[at/time.Second].Add(1)
				}
				if f.watch != nil {
					watching.Lock()
					defer watching.Unlock()
					f.watch(err)
				}
			})
		}
		calls.Wait()
	})
	return counts
}

// A server has workers that take what comes in turn, and that do all of it, also
// what nobody waits for any longer, unless it drops that.
type server struct {
	workers int           // 0: as many as need be, and no time to serve
	service time.Duration // mean of the time that one takes for one call
	stall   [2]time.Duration
	down    [2]time.Duration // when every attempt fails at once
	fails   float64          // the share of the attempts that fail at once
	drops   bool             // what has expired when its turn comes takes no time

	start  time.Time
	counts *tally
	mu     sync.Mutex
	rng    *rand.Rand
	free   []time.Duration // when each worker will be, since start
}

var errServer = errors.New("server error")

func within(at time.Duration, span [2]time.Duration) bool { return at >= span[0] && at < span[1] }

func (s *server) serve(ctx context.Context, service time.Duration) error {
	at := time.Since(s.start)
	if i := int(at / time.Second); i < len(s.counts.attempts) {
		s.counts.attempts[i].Add(1)
	}
	if within(at, s.down) {
		return errServer
	}
	s.mu.Lock()
	if s.rng == nil {
		s.rng = rand.New(rand.NewPCG(3, 4))
		s.free = make([]time.Duration, s.workers)
	}
	if s.fails > 0 && s.rng.Float64() < s.fails {
		s.mu.Unlock()
		return errServer
	}
	done := at
	if s.workers > 0 {
		done = s.takeTurn(ctx, at, service)
	}
	s.mu.Unlock()
	timer := time.NewTimer(done - at)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// takeTurn gives the work to the worker that is free first, and returns when it
// will be done: the turns are those of a queue, first come, first served.
func (s *server) takeTurn(ctx context.Context, at, service time.Duration) time.Duration {
	first := 0
	for i, free := range s.free {
		if free < s.free[first] {
			first = i
		}
	}
	begin := max(at, s.free[first])
	if within(begin, s.stall) {
		begin = s.stall[1]
	}
	if deadline, ok := ctx.Deadline(); ok && s.drops && begin > deadline.Sub(s.start) {
		return time.Duration(math.MaxInt64)
	}
	end := begin + service
	if begin < s.stall[0] && end > s.stall[0] {
		end += s.stall[1] - s.stall[0]
	}
	s.free[first] = end
	return end
}
