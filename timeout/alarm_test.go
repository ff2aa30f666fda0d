package timeout

import (
	"testing"
	"time"

	"github.com/holdfast-go/holdfast/internal/clock"
)

// An alarm that has not run lets go of its call, and one that runs for none does nothing.
func TestAnAlarmLetsGoOfItsCall(t *testing.T) {
	c := &bounded{terms: terms{began: clock.Now()}}
	c.ring(time.Hour)
	a := c.timer
	if a.of.Load() != c {
		t.Error("it is of another call")
	}
	a.stop()
	if a.of.Load() != nil {
		t.Error("it keeps the call")
	}
	a.run()
}

// One that has run is not used again: it may be looking at its call still.
func TestAnAlarmThatHasRunIsNotUsedAgain(t *testing.T) {
	ran := make(chan struct{})
	c := &bounded{terms: terms{began: clock.Now()}, hang: func() { close(ran) }}
	a := new(alarm)
	a.of.Store(c)
	a.timer = time.AfterFunc(0, a.run)
	<-ran
	a.stop()
	for used, _ := alarms.Get().(*alarm); used != nil; used, _ = alarms.Get().(*alarm) {
		if used == a {
			t.Error("it is to be used again")
		}
	}
}
