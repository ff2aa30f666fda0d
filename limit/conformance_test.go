package limit_test

import (
	"testing"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/holdfasttest"
	"github.com/holdfast-go/holdfast/limit"
)

func TestInFlightKeepsTheContract(t *testing.T) {
	holdfasttest.TestPolicy(t, func() holdfast.Policy {
		return limit.NewInFlight(limit.InFlightOptions{Wait: time.Hour})
	})
}

func TestRateKeepsTheContract(t *testing.T) {
	holdfasttest.TestPolicy(t, func() holdfast.Policy {
		return limit.NewRate(limit.RateOptions{PerSecond: 1e6, Wait: time.Hour})
	})
}

// guard is what a balancer's node will ask of its limits.
type guard interface {
	Ready() bool
	Enter() (leave func(c holdfast.Class, took time.Duration), ok bool)
}

func TestBothAreGuards(t *testing.T) {
	for _, g := range []guard{limit.NewInFlight(limit.InFlightOptions{Max: 1}), limit.NewRate(limit.RateOptions{PerSecond: 1})} {
		if !g.Ready() {
			t.Errorf("%T: not ready at first", g)
		}
		leave, ok := g.Enter()
		if _, more := g.Enter(); !ok || more || g.Ready() {
			t.Errorf("%T: one enters: %v; a second: %v", g, ok, more)
		}
		if leave != nil {
			leave(holdfast.Success, 0)
		}
	}
	one := limit.NewInFlight(limit.InFlightOptions{Max: 1})
	leave, _ := one.Enter()
	leave(holdfast.Success, 0)
	if !one.Ready() {
		t.Error("the place has not come back")
	}
}

// A place that is taken and given back by hand costs no memory.
func TestAPlaceByHandAllocatesNothing(t *testing.T) {
	l := limit.NewInFlight(limit.InFlightOptions{Max: 10})
	if n := testing.AllocsPerRun(1000, func() {
		release, err := l.Acquire(t.Context(), "a")
		if err != nil {
			t.Error(err)
		}
		release()
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
