package breaker

import (
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sony/gobreaker/v2"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/clock"
	"github.com/holdfast-go/holdfast/internal/herald"
)

// A circuit is the state of one key. A call that goes well while it is closed
// writes to its window and takes no lock that all calls share; gobreaker's state
// machine is asked when it is to open, and while it is not closed.
type circuit struct {
	key      string
	of       *shared
	herald   *herald.Herald[holdfast.Event]
	set      atomic.Pointer[Options] // of the policy that used it last
	state    atomic.Uint32           // a State; HalfOpen only once a probe was sent
	age      atomic.Uint64           // grows with each state: what began in an earlier one does not count
	window   window
	row      atomic.Int64 // failures in a row
	broken   atomic.Int64 // answers in a row that broke off after a good start
	noted    atomic.Int64 // when a failure or a slow call was counted last, by clock.Now; 0: none was
	rejected atomic.Uint64

	mu      sync.Mutex
	machine *gobreaker.TwoStepCircuitBreaker[struct{}]
	until   time.Time // of an open one
	called  time.Time // of one that is due: when the latest probe was sent, or since when it is due
	began   time.Time // when the outage did
	closed  time.Time // when it last closed
	stayed  time.Duration
	wished  bool        // the server has asked for that time
	probe   uint64      // the number of the latest probe
	probing func(error) // tells the machine how it went; nil: there is none
	sent    time.Time   // when it was sent
}

var (
	errFailed = errors.New("failed")
	errNoSign = errors.New("says nothing")
)

func newCircuit(key string, s *shared) *circuit {
	return &circuit{key: key, of: s, herald: &s.herald, window: window{width: &s.width}, machine: newMachine()}
}

// newMachine makes a closed state machine. It opens when it is told of a failure,
// which it is only when the window says so, and is half-open at once: how long it
// is open is for the circuit to say.
func newMachine() *gobreaker.TwoStepCircuitBreaker[struct{}] {
	return gobreaker.NewTwoStepCircuitBreaker[struct{}](gobreaker.Settings{
		MaxRequests: 1, Timeout: 1,
		ReadyToTrip: func(gobreaker.Counts) bool { return true },
		IsExcluded:  func(err error) bool { return errors.Is(err, errNoSign) },
	})
}

// idle reports whether the circuit may be forgotten. Failures in a row that have left the window
// keep no place.
func (c *circuit) idle(now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch State(c.state.Load()) {
	case Isolated:
		return false
	case Open, HalfOpen:
		return c.probing == nil && c.abandoned(now)
	}
	if !c.closed.IsZero() && now.Sub(c.closed) <= c.stayed {
		return false // to fail again would be a relapse
	}
	noted := c.noted.Load()
	return noted == 0 || clock.At(now)-noted > int64(c.window.length())
}

// abandoned reports whether nobody has called a circuit that is due, for as long as it was open, or
// as it could be, or Window. The lock is held.
func (c *circuit) abandoned(now time.Time) bool {
	longest := max(c.stayed, c.window.length())
	if o := c.set.Load(); o != nil {
		longest = max(longest, o.MaxOpenDuration)
	}
	return now.Sub(c.called) > longest
}

// judge reports whether the class is a failure, and whether it says anything.
func judge(o *Options, class holdfast.Class) (failed, counted bool) {
	switch class.Server() {
	case holdfast.Healthy:
		return false, true
	case holdfast.Unhealthy:
		return true, true
	case holdfast.Overloaded:
		return true, !o.IgnoreOverload
	}
	return false, false
}

// observe counts an outcome of a call that began in the given age of a closed circuit.
func (c *circuit) observe(o *Options, age uint64, class holdfast.Class, after time.Duration, slow bool) {
	failed, counted := judge(o, class)
	if !counted || c.age.Load() != age {
		return
	}
	n := counts{calls: 1}
	if slow {
		n.slow = 1
	}
	now := time.Now()
	if failed || slow {
		c.noted.Store(clock.At(now))
	}
	if !failed {
		c.window.add(now, n)
		if c.row.Load() != 0 {
			c.row.Store(0)
		}
		if slow {
			c.check(o, age, now, 0)
		}
		return
	}
	n.failures = 1
	c.window.add(now, n)
	c.row.Add(1)
	c.check(o, age, now, after)
}

// Done counts the end of an answer that began well: one that broke off was a
// failure after all.
func (c *circuit) Done(age uint64, end holdfast.End) {
	o := c.set.Load()
	failed, counted := judge(o, end.Class)
	if !counted || c.age.Load() != age {
		return
	}
	if !failed {
		if c.broken.Load() != 0 {
			c.broken.Store(0)
		}
		return
	}
	entry, _ := c.of.circuits.Hold(c.key)
	if entry == nil {
		return
	}
	defer entry.Release()
	if again := entry.Value; again != c { // it was forgotten while the answer was read, as good as new
		again.set.CompareAndSwap(nil, o)
		c, age = again, again.age.Load()
	}
	now := time.Now()
	c.noted.Store(clock.At(now))
	c.window.add(now, counts{failures: 1})
	c.broken.Add(1)
	c.check(o, age, now, 0)
}

// check opens the circuit if it is time to.
func (c *circuit) check(o *Options, age uint64, now time.Time, after time.Duration) {
	why := c.verdict(o, now)
	if why.reason == "" {
		return
	}
	c.mu.Lock()
	if c.age.Load() == age && State(c.state.Load()) == Closed {
		if done, err := c.machine.Allow(); err == nil {
			done(errFailed)
		}
		c.open(o, now, after, why)
	}
	c.mu.Unlock()
	c.herald.Tell()
}

// A cause is why a circuit changes: in one word, and for people. The zero cause is none.
type cause struct{ reason, detail string }

// verdict says why the circuit is to open, if it is.
func (c *circuit) verdict(o *Options, now time.Time) cause {
	row, broken := int(c.row.Load()), int(c.broken.Load())
	n := c.window.sum(now)
	few := n.calls < int64(o.MinSamples)
	for _, in := range []struct {
		row          int
		reason, what string
	}{{row, "consecutive_failures", "failures"}, {broken, "broken", "broken answers"}} {
		if o.ConsecutiveFailuresUnderLoad > 0 && in.row >= o.ConsecutiveFailuresUnderLoad || few && o.ConsecutiveFailures > 0 && in.row >= o.ConsecutiveFailures {
			return cause{in.reason, fmt.Sprintf("%d %s in a row", in.row, in.what)}
		}
	}
	switch {
	case few:
	case o.FailureRatio > 0 && float64(n.failures) >= o.FailureRatio*float64(n.calls):
		return cause{"failure_ratio", fmt.Sprintf("%d of %d calls failed", n.failures, n.calls)}
	case o.SlowRatio > 0 && o.SlowDuration > 0 && float64(n.slow) >= o.SlowRatio*float64(n.calls):
		return cause{"slow", fmt.Sprintf("%d of %d calls were slow", n.slow, n.calls)}
	}
	return cause{}
}

// open opens the circuit, whose lock is held.
func (c *circuit) open(o *Options, now time.Time, after time.Duration, why cause) {
	if State(c.state.Load()) == Closed && now.Sub(c.closed) > c.stayed {
		c.began = now // it is no relapse
	}
	c.stayed = openFor(o, now.Sub(c.began), after)
	c.wished = after > 0 && c.stayed == min(after, o.MaxRetryAfter)
	c.until = now.Add(c.stayed)
	c.called = c.until
	c.become(Open, why)
}

// due is when a probe of an open circuit may be sent by one of the policies that share it: their
// bounds may be other ones than those by which it was opened. The lock is held.
func (c *circuit) due(o *Options) time.Time {
	most := o.MaxOpenDuration
	if c.wished {
		most = max(most, o.MaxRetryAfter)
	}
	return c.until.Add(min(most-c.stayed, 0))
}

// openFor is how long a circuit stays open when its outage has lasted so long: a
// quarter of that, so that recovery is never late by more, and a little less, so
// that a fleet does not probe as one. The quarter is our own rule; the storms of
// package preset are its test.
func openFor(o *Options, outage, after time.Duration) time.Duration {
	d := min(max(o.OpenDuration, outage/4, 0), o.MaxOpenDuration)
	d -= time.Duration(0.2 * rand.Float64() * float64(d))
	return max(d, min(after, o.MaxRetryAfter))
}

// become changes the state; the lock is held.
func (c *circuit) become(to State, why cause) {
	e := holdfast.Event{
		Kind: "circuit", Policy: "breaker", Target: c.key,
		From: State(c.state.Load()).String(), To: to.String(), Reason: why.reason, Detail: why.detail,
	}
	switch to {
	case Open:
		e.Level, e.Wait = slog.LevelWarn, c.stayed
	case Isolated:
		e.Level = slog.LevelWarn
	}
	c.probing = nil
	c.state.Store(uint32(to))
	c.age.Add(1)
	c.row.Store(0)
	c.broken.Store(0)
	c.window.clear()
	c.herald.Note(e)
}

// current returns the state as it is now; the lock is held.
func (c *circuit) current(o *Options, now time.Time) State {
	s := State(c.state.Load())
	if s == Open && !now.Before(c.due(o)) {
		return HalfOpen
	}
	return s
}
