package main

import (
	"context"
	"sync"
	"time"

	"github.com/failsafe-go/failsafe-go/bulkhead"
	"github.com/failsafe-go/failsafe-go/ratelimiter"
	"golang.org/x/sync/semaphore"
	"golang.org/x/time/rate"

	"github.com/holdfast-go/holdfast/limit"
)

// A gate lets a call in, or not; leave is nil where nothing is given back.
type gate struct {
	who   string
	enter func() bool
	leave func()
}

const places = 1000

// inFlightGates let in 1,000 calls at once.
func inFlightGates() []gate {
	var mu sync.Mutex
	n := 0
	sem := semaphore.NewWeighted(places)
	bulk := bulkhead.New[any](places)
	own := limit.NewInFlight(limit.InFlightOptions{Max: places})
	ctx := context.Background()
	var slots []func()
	return []gate{
		{"floor", func() bool {
			mu.Lock()
			defer mu.Unlock()
			if n >= places {
				return false
			}
			n++
			return true
		}, func() { mu.Lock(); n--; mu.Unlock() }},
		{"holdfast", func() bool {
			release, err := own.Acquire(ctx, "t")
			if err == nil {
				slots = append(slots, release)
			}
			return err == nil
		}, func() {
			last := len(slots) - 1
			release := slots[last]
			slots = slots[:last]
			release()
		}},
		{"x/sync semaphore", func() bool { return sem.TryAcquire(1) }, func() { sem.Release(1) }},
		{"failsafe-go permit", bulk.TryAcquirePermit, bulk.ReleasePermit},
	}
}

const burst = 1000

// rateGates let in 1,000 calls at once and rate each second.
func rateGates(perSecond float64) []gate {
	ctx := context.Background()
	xtime := rate.NewLimiter(rate.Limit(perSecond), burst)
	safe := ratelimiter.NewBursty[any](uint(perSecond), time.Second)
	own := limit.NewRate(limit.RateOptions{PerSecond: perSecond, Burst: burst})
	plain := bucket{tokens: burst, rate: perSecond / 1e9, last: time.Now()}
	return []gate{
		{"floor", plain.take, nil},
		{"holdfast", func() bool { return own.Acquire(ctx, "t") == nil }, nil},
		{"x/time/rate", xtime.Allow, nil},
		{"failsafe-go permit", safe.TryAcquirePermit, nil},
	}
}

// A bucket is a token bucket written by hand.
type bucket struct {
	mu     sync.Mutex
	tokens float64
	rate   float64
	last   time.Time
}

func (b *bucket) take() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	passed := time.Since(b.last)
	b.last = b.last.Add(passed)
	b.tokens = min(b.tokens+float64(passed)*b.rate, burst)
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}

func limitRows() []row {
	through := func(gates []gate) func() []subject {
		return func() []subject {
			var subjects []subject
			for _, g := range gates {
				subjects = append(subjects, subject{g.who, func() {
					if !g.enter() {
						panic(g.who + ": no room")
					}
					if g.leave != nil {
						g.leave()
					}
				}})
			}
			return subjects
		}
	}
	const group = "Limits, by their own Acquire and Release"
	return []row{
		// x/time and 15 ns: 94 of 79.
		{group, "rate", through(rateGates(4e9)), goal{94. / 79, "x/time/rate", -1, 0}, false},
		{group, "calls in flight", through(inFlightGates()), goal{1.5, "floor", -1, 0}, false},
	}
}
