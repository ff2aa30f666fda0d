package retry

import (
	"math/rand/v2"
	"time"

	"github.com/cenkalti/backoff/v4"
)

// Jitter says how a wait is drawn from the interval of the n-th repeat, which is
// base × 2ⁿ and at most the cap. The names are those of Marc Brooker's
// "Exponential Backoff And Jitter" (AWS, 2015).
type Jitter uint8

const (
	// Full draws from 0 to the interval: the best spread, and the default.
	Full Jitter = iota
	// Equal draws from half the interval to the whole of it.
	Equal
	// Decorrelated draws from the base to three times the last wait, at most the
	// cap.
	Decorrelated
	// Constant waits for the base each time, or the cap where that is less.
	Constant
)

// schedule makes the waits of one call for one kind of failure; base is at most
// limit. It is not safe for concurrent use, as no backoff.BackOff is, and is made
// when a first repeat is due.
func schedule(base, limit time.Duration, jitter Jitter) backoff.BackOff {
	switch jitter {
	case Constant:
		return backoff.NewConstantBackOff(base)
	case Decorrelated:
		return &decorrelated{base: base, limit: limit, last: base}
	case Equal: // 3/4 of the interval, give or take a third of that
		return exponential(base/4*3, limit/4*3, 1.0/3)
	default: // half the interval, give or take all of that
		return exponential(base/2, limit/2, 1)
	}
}

// exponential draws from interval × [1-spread, 1+spread].
func exponential(first, limit time.Duration, spread float64) backoff.BackOff {
	b := backoff.NewExponentialBackOff(
		backoff.WithInitialInterval(first),
		backoff.WithMaxInterval(limit),
		backoff.WithMultiplier(2),
		backoff.WithRandomizationFactor(spread),
		backoff.WithMaxElapsedTime(0), // its default gives up 15 minutes after it was built
	)
	return b
}

type decorrelated struct{ base, limit, last time.Duration }

func (d *decorrelated) Reset() { d.last = d.base }

func (d *decorrelated) NextBackOff() time.Duration {
	upper := d.limit
	if d.last < d.limit/3 {
		upper = 3 * d.last
	}
	d.last = d.base
	if upper > d.base {
		d.last += rand.N(upper - d.base)
	}
	return d.last
}
