package main

import (
	"math/rand/v2"
	"time"

	"github.com/holdfast-go/holdfast/preset"
)

// drawn is some Config, which Validate may refuse.
func drawn(r *rand.Rand) preset.Config {
	c := base()
	c.Limit.Max = one(r, 2, 8, 200, -1)
	c.Limit.Wait = one(r, -1, 5*time.Millisecond, 100*time.Millisecond)
	c.Limit.PerTarget = one(r, false, true)
	c.Timeout.Limit = one(r, -1, time.Second, 2*time.Second)
	c.Retry.MaxAttempts = one(r, -1, 2, 3, 5)
	c.Retry.InitialInterval = one(r, 5*time.Millisecond, 50*time.Millisecond)
	c.Budget.Ratio = one(r, 0.05, 0.2, 0.5)
	c.Budget.Min = one(r, 1, 5, 20)
	c.Budget.Window = one(r, time.Second, 10*time.Second)
	c.Hedge.MaxHedges = one(r, -1, 1, 2)
	c.Hedge.Delay = one(r, 0, 10*time.Millisecond, 200*time.Millisecond)
	c.Hedge.Share = one(r, 0.05, 1)
	c.Breaker.FailureRatio = one(r, 0.5, 0.7, -1)
	c.Breaker.Window = one(r, time.Second, 10*time.Second)
	c.Breaker.ConsecutiveFailures = one(r, 2, 5)
	c.Breaker.ObserveOnly = r.IntN(5) == 0
	c.Rate.PerSecond = one(r, 0.0, 5, 100)
	c.Rate.Wait = one(r, -1, 20*time.Millisecond)
	c.Rate.PerTarget = one(r, false, true)
	c.Attempt.Limit = one(r, -1, 300*time.Millisecond, 700*time.Millisecond)
	for _, size := range []*int{&c.Limit.MaxTargets, &c.Budget.MaxTargets, &c.Hedge.MaxTargets, &c.Breaker.MaxKeys, &c.Rate.MaxTargets} {
		*size = one(r, room/8, room, 4*room)
	}
	return c
}

func one[T any](r *rand.Rand, of ...T) T { return of[r.IntN(len(of))] }
