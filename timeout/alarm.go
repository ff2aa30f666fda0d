package timeout

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-go/holdfast/internal/clock"
)

// An alarm is the timer of a bounded. One that has not run is used again by another call: most
// do not run, and a timer is much of what a limit would allocate. One that runs too late to
// find its own call has another look at the time, which harms nobody.
type alarm struct {
	timer  *time.Timer
	of     atomic.Pointer[bounded]
	bubble bool // of which no timer may leave
}

var alarms sync.Pool // of *alarm

// ring has c look at the time in d from now; c.mu is held.
func (c *bounded) ring(d time.Duration) {
	if c.timer != nil {
		c.timer.timer.Reset(d)
		return
	}
	bubble := clock.Bubble()
	if !bubble {
		c.timer, _ = alarms.Get().(*alarm)
	}
	if c.timer != nil {
		c.timer.of.Store(c)
		c.timer.timer.Reset(d)
		return
	}
	c.timer = &alarm{bubble: bubble}
	c.timer.of.Store(c)
	c.timer.timer = time.AfterFunc(d, c.timer.run)
}

// stop ends the alarm of a call, which lets go of it. One that has run, or does, is not used
// again.
func (a *alarm) stop() {
	if a == nil || !a.timer.Stop() {
		return
	}
	if a.of.Store(nil); !a.bubble {
		alarms.Put(a)
	}
}

// run is what the timer runs.
func (a *alarm) run() {
	c := a.of.Load()
	switch {
	case c == nil:
	case c.hang != nil:
		c.hang()
	default:
		c.fire()
	}
}
