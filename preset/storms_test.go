package preset_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast/breaker"
	"github.com/holdfast-go/holdfast/preset"
)

// The storms are those of which docs/design.md speaks: 700 calls a second to a
// server of ten workers that can do 1,000, by 1, 100 and 1,000 clients, over the
// policies that a user would have.

const offered = 700

// eachFleet runs f for fleets of several sizes, which together make the same calls.
func eachFleet(t *testing.T, f func(t *testing.T, clients int)) {
	t.Helper()
	for _, n := range []int{1, 100, 1000} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			f(t, n)
		})
	}
}

// standard is the Standard preset with attempts of a second, for a server that
// takes 10 ms.
func standard() preset.Config {
	c := preset.Standard()
	c.Attempt.Limit = time.Second
	return c
}

// unbroken is c without its breaker.
func unbroken(c preset.Config) preset.Config {
	c.Breaker.FailureRatio, c.Breaker.SlowRatio, c.Breaker.ConsecutiveFailures, c.Breaker.ConsecutiveFailuresUnderLoad = -1, -1, -1, -1
	return c
}

// bare has neither repeats nor a breaker.
func bare() preset.Config {
	c := unbroken(standard())
	c.Retry.MaxAttempts = 1
	return c
}

// reckless repeats three times whatever happens.
func reckless() preset.Config {
	c := unbroken(standard())
	c.Retry.MaxAttempts, c.Budget.Unlimited = 4, true
	return c
}

// hedged is c with hedging on.
func hedged(c preset.Config) preset.Config {
	c.Hedge.MaxHedges = 1
	return c
}

func seconds(from, to int) [2]time.Duration {
	return [2]time.Duration{time.Duration(from) * time.Second, time.Duration(to) * time.Second}
}

// outage is a minute in which every attempt fails at once.
func outage(t *testing.T, c preset.Config, clients int) *tally {
	t.Helper()
	return fleet{
		clients: clients, rate: offered, last: 100 * time.Second, policies: c.Policies,
		server: &server{down: seconds(20, 80)},
	}.run(t)
}

func TestR02_AnOutageIsNotStormed(t *testing.T) {
	eachFleet(t, func(t *testing.T, clients int) {
		most := 1.05
		if clients == 1000 { // each calls once in a second and a half, and has five tokens to spend
			most = 1.15
		}
		for name, c := range map[string]preset.Config{
			"Standard": standard(), "without its breaker": unbroken(standard()), "with hedging": hedged(standard()),
		} {
			got := outage(t, c, clients)
			t.Logf("%s: %.3f attempts per call in the outage", name, got.amplification(20, 80))
			if a := got.amplification(20, 80); a > most {
				t.Errorf("%s: %.3f attempts per call, want at most %v", name, a, most)
			}
			if s := got.success(95, 100); s < 0.99 {
				t.Errorf("%s: %.1f %% succeed after the outage", name, 100*s)
			}
		}
		if a := outage(t, reckless(), clients).amplification(20, 80); a < 3.9 {
			t.Errorf("repeats without a budget make %.2f attempts per call: this test can not fail", a)
		}
	})
}

// stall is ten seconds in which no worker takes anything up.
func stall(t *testing.T, c preset.Config, clients int, drops bool) *tally {
	t.Helper()
	return fleet{
		clients: clients, rate: offered, last: 70 * time.Second, policies: c.Policies,
		server: &server{workers: 10, service: 10 * time.Millisecond, stall: seconds(20, 30), drops: drops},
	}.run(t)
}

func TestR04_AStallIsRecoveredFrom(t *testing.T) {
	eachFleet(t, func(t *testing.T, clients int) {
		for name, c := range map[string]preset.Config{"Standard": standard(), "with hedging": hedged(standard())} {
			got := stall(t, c, clients, false)
			t.Logf("%s: recovered after %d s", name, got.recovered(30))
			if s := got.recovered(30); s < 0 || s > 15 {
				t.Errorf("%s: recovered after %d s, want at most 15", name, s)
			}
			got = stall(t, c, clients, true)
			t.Logf("%s, a server that drops what has expired: recovered after %d s", name, got.recovered(30))
			if s := got.recovered(30); s < 0 || s > 5 {
				t.Errorf("%s: with a server that drops what has expired, recovered after %d s, want at most 5", name, s)
			}
		}
		plain, budget := stall(t, bare(), clients, false), stall(t, unbroken(standard()), clients, false)
		most := 1.3 * float64(plain.recovered(30))
		t.Logf("no repeats: %d s; a budget and no breaker: %d s", plain.recovered(30), budget.recovered(30))
		if s := budget.recovered(30); clients <= 100 && (s < 0 || float64(s) > most) {
			t.Errorf("without its breaker, recovered after %d s, want at most %.0f", s, most)
		}
		if s := stall(t, reckless(), clients, false).recovered(30); s >= 0 && s <= 15 {
			t.Errorf("repeats without a budget recover after %d s: this test can not fail", s)
		}
	})
}

// partial is a server that fails some of the attempts at random.
func partial(t *testing.T, c preset.Config, clients int, share float64) float64 {
	t.Helper()
	return fleet{
		clients: clients, rate: offered, last: 60 * time.Second, policies: c.Policies,
		server: &server{fails: share},
	}.run(t).success(10, 50)
}

func TestR05_ABreakerDoesNoHarm(t *testing.T) {
	eachFleet(t, func(t *testing.T, clients int) {
		for share, most := range map[float64]float64{0.2: 0.02, 0.5: 0.06} {
			with, without := partial(t, standard(), clients, share), partial(t, unbroken(standard()), clients, share)
			t.Logf("at %.0f %% failures: %.1f %% succeed, without a breaker %.1f %%", 100*share, 100*with, 100*without)
			if without-with > most {
				t.Errorf("at %.0f %% failures: %.1f %% succeed, without a breaker %.1f %%", 100*share, 100*with, 100*without)
			}
		}
		if clients == 1 { // what everybody's defaults do
			eager := standard()
			eager.Breaker.FailureRatio, eager.Breaker.MinSamples = 0.1, 100
			if with := partial(t, eager, clients, 0.2); with > 0.7 {
				t.Errorf("a breaker that opens at a tenth lets %.0f %% succeed: this test can not fail", 100*with)
			}
		}
	})
}

func TestR06_LowVolumeIsSeenAndHighVolumeIsNotTakenForAnOutage(t *testing.T) {
	t.Run("slow", func(t *testing.T) {
		calls, opened := 0, 0
		fleet{
			clients: 1, rate: 0.5, last: 60 * time.Second, policies: standard().Policies,
			server: &server{fails: 1},
			watch: func(err error) {
				if calls++; opened == 0 && errors.Is(err, breaker.ErrOpen) {
					opened = calls
				}
			},
		}.run(t)
		if opened == 0 || opened > 6 {
			t.Errorf("call %d of %d was the first to be rejected, want the circuit open within 5", opened, calls)
		}
	})
	t.Run("fast", func(t *testing.T) {
		rejected := false
		fleet{
			clients: 1, rate: offered, last: 120 * time.Second, policies: standard().Policies,
			server: &server{fails: 0.2},
			watch:  func(err error) { rejected = rejected || errors.Is(err, breaker.ErrOpen) },
		}.run(t)
		if rejected {
			t.Error("the circuit opened at 20 % failures")
		}
	})
}

// Recovery is late by at most a quarter of the outage, or by the first open time
// where that is more.
func TestRecoveryIsLateByAQuarterOfTheOutageAtMost(t *testing.T) {
	for _, last := range []time.Duration{500 * time.Millisecond, 2 * time.Second, 10 * time.Second, time.Minute, 5 * time.Minute} {
		t.Run(last.String(), func(t *testing.T) {
			t.Parallel()
			const from = 20 * time.Second
			down := [2]time.Duration{from, from + last}
			s := &server{down: down}
			var back time.Duration
			f := fleet{clients: 1, rate: 100, last: from + 2*last + 2*time.Second, policies: standard().Policies, server: s}
			f.watch = func(err error) {
				if at := time.Since(s.start); err == nil && at >= down[1] && back == 0 {
					back = at - down[1]
				}
			}
			f.run(t)
			most := min(max(last/4, 200*time.Millisecond), time.Minute) + 100*time.Millisecond // until a call comes
			if back == 0 || back > most {
				t.Errorf("an outage of %v: served again after %v, want at most %v", last, back, most)
			}
		})
	}
}
