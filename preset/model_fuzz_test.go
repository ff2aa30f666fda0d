package preset_test

import (
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast/preset"
	"github.com/holdfast-go/holdfast/retry"
)

// A script is bytes that are read as decisions; at its end they are all zero.
type script []byte

func (s *script) next() byte {
	if len(*s) == 0 {
		return 0
	}
	b := (*s)[0]
	*s = (*s)[1:]
	return b
}

// one takes one of several values by the next byte.
func one[T any](s *script, values ...T) T { return values[int(s.next())%len(values)] }

const off = -1

// A mode says what each target has for itself.
type mode int

const (
	shared    mode = iota // one limit of calls under way
	perTarget             // each has its own
	mixed                 // sometimes, and not always all of them
)

// config is any Config of a small grammar; some of them are refused.
func (s *script) config(m mode) preset.Config {
	c := preset.Standard()
	c.Limit.Max, c.Limit.Queue, c.Limit.PerTarget = one(s, 2, 1, 3, 5, off, 1000), one(s, 0, 2, off, 1), m == perTarget
	if m == mixed {
		c.Limit.PerTarget, c.Limit.MaxTargets = one(s, true, true, false), one(s, 0, 1, 2)
		c.Rate.MaxTargets, c.Hedge.MaxTargets = one(s, 0, 1), one(s, 0, 1)
	}
	c.Limit.Wait = one(s, time.Second, 0, 50*time.Millisecond)
	c.Timeout.Limit, c.Attempt.Limit = one(s, 30*time.Second, 2*time.Second, 300*time.Millisecond, off), one(s, 10*time.Second, 200*time.Millisecond, 50*time.Millisecond)
	c.Retry.MaxAttempts, c.Retry.Jitter = one(s, 3, 1, 5, off), retry.Constant
	c.Retry.InitialInterval = one(s, 100*time.Millisecond, 10*time.Millisecond, off)
	c.Budget.Min, c.Budget.Ratio, c.Budget.Window = one(s, 5, 1, off, 20), one(s, 0.2, 1, off), one(s, 10*time.Second, time.Second, time.Minute)
	c.Hedge.MaxHedges, c.Hedge.Delay, c.Hedge.Share = one(s, off, 1, 2), one(s, 20*time.Millisecond, 100*time.Millisecond), one[float64](s, off, 0.5)
	c.Breaker.ConsecutiveFailures, c.Breaker.ConsecutiveFailuresUnderLoad = one(s, 3, off, 1), one(s, off, 2)
	c.Breaker.FailureRatio, c.Breaker.MinSamples, c.Breaker.Window = one(s, 0.5, off), one(s, 4, off, 20), one(s, 10*time.Second, time.Second)
	c.Breaker.OpenDuration, c.Breaker.MaxKeys, c.Breaker.ObserveOnly = one(s, 50*time.Millisecond, time.Second), one(s, 1024, 1, 2), one(s, false, false, true)
	c.Rate.PerSecond, c.Rate.Burst, c.Rate.Wait = one[float64](s, 0, 0, 100, 10), one(s, 0, 1, 3), one(s, 0, 100*time.Millisecond, time.Second)
	c.Rate.PerTarget, c.Rate.Queue = one(s, false, true), one(s, 0, 1)
	return c
}

// play takes a Stack through what a script says: calls that come, succeed, fail and give up, time,
// and Updates under all of them.
func play(t *testing.T, schedule []byte) (seen map[string]int) {
	synctest.Test(t, func(t *testing.T) {
		s := script(schedule)
		how := mode(s.next() % 3)
		c := s.config(how)
		if c.Validate() != nil {
			c.Attempt, c.Timeout = preset.Standard().Attempt, preset.Standard().Timeout
		}
		m := newModel(t, c, how)
		seen = m.seen
		for step := 0; len(s) > 0 && step < 400 && !t.Failed(); step++ {
			switch b := s.next(); b % 8 {
			case 0, 1, 2:
				m.begin(m.targets[int(b/8)%len(m.targets)], b < 128)
			case 3, 4: // an attempt ends
				m.mu.Lock()
				if n := len(m.under); n > 0 {
					err := error(nil)
					if b%8 == 4 {
						err = errModel
					}
					select {
					case m.under[int(b/8)%n].end <- err:
					default:
					}
				}
				m.mu.Unlock()
			case 5: // a caller gives up
				m.mu.Lock()
				if n := len(m.calls); n > 0 {
					c := m.calls[max(n-1-int(b/8), 0)]
					c.cancelled = true
					c.cancel()
				}
				m.mu.Unlock()
			case 6:
				time.Sleep(time.Duration(b/8) * time.Duration(b/8) * time.Millisecond)
			case 7:
				switch b / 8 % 8 {
				case 0, 1:
					m.isolate(m.targets[int(b/64)%len(m.targets)], b/8%8 == 0)
				default:
					m.update(s.config(how))
				}
			}
			m.check()
			if t.Failed() {
				t.Logf("at step %d, %d bytes before the end", step, len(s))
			}
		}
		if t.Failed() {
			for _, c := range m.calls {
				c.cancel()
			}
			return
		}
		m.finish()
	})
	return seen
}

// random is a script of one seed.
func random(seed uint64, n int) []byte {
	r := rand.New(rand.NewPCG(seed, 1)) //nolint:gosec // it is to be the same each time
	text := make([]byte, n)
	for i := range text {
		text[i] = byte(r.Uint32())
	}
	return text
}

// FuzzStack plays any script.
func FuzzStack(f *testing.F) {
	f.Add([]byte{})
	for seed := range uint64(8) {
		f.Add(random(seed, 300))
	}
	f.Fuzz(func(t *testing.T, schedule []byte) {
		if len(schedule) <= 2000 {
			play(t, schedule)
		}
	})
}

// A few hundred scripts are played each time.
func TestAStackUnderUpdatesIsAsTheModelSays(t *testing.T) {
	n := uint64(400)
	if testing.Short() || raceEnabled {
		n = 100
	}
	all := map[string]int{}
	for seed := range n {
		for what, times := range play(t, random(seed, 100+int(seed)%1000)) {
			all[what] += times
		}
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
	for _, what := range []string{"updates", "refused", "waits", "retry", "retry_stopped", "hedge", "circuits"} {
		if all[what] < int(n)/4 {
			t.Errorf("%s: %d times in %d scripts: this checks little", what, all[what], n)
		}
	}
	t.Log(all)
}
