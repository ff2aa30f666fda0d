package holdfast

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast/internal/clock"
	"github.com/holdfast-go/holdfast/internal/pause"
)

// A target that is silent keeps its place in a full table, and how many are is never wrong.
func TestASilentTargetIsNotForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newChain()
		unheard := func(name string) time.Duration {
			sent := clock.Now()
			time.Sleep(100 * time.Millisecond)
			return c.silence(name, sent, clock.Now())
		}
		unheard("quiet")
		unheard("quiet")
		for i := range 5000 {
			c.beyond(&Call{Target: fmt.Sprint(i)})
		}
		if got := unheard("quiet"); got < 200*time.Millisecond || c.silent.Load() != 1 {
			t.Errorf("silent for %v; %d targets are", got, c.silent.Load())
		}
		c.heard(c.targets.Get("quiet"))
		c.heard(c.targets.Get("quiet"))
		if c.silent.Load() != 0 {
			t.Errorf("%d targets are silent", c.silent.Load())
		}
		time.Sleep(time.Hour)
		if got := unheard("quiet"); got != 0 {
			t.Errorf("silent for %v after it was heard", got)
		}
		time.Sleep(time.Hour) // and long ago is another time
		if got := unheard("quiet"); got != 0 || c.silent.Load() != 1 {
			t.Errorf("silent for %v; %d targets are", got, c.silent.Load())
		}
	})
}

// What is no sample is not learnt from, also while answers are looked for; streams never are.
func TestOnlySamplesAreLearnt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newChain()
		for i := range 1000 {
			call := &Call{Target: "t", sent: clock.Now(), Stream: i%2 == 0}
			time.Sleep(time.Millisecond + time.Duration(i))
			class := Failure
			if call.Stream {
				class = Success
			}
			c.learn(call, Result{Class: class})
		}
		if n := len(c.targets.Get("t").methods); n != 0 {
			t.Errorf("%d methods are known", n)
		}
		for i := range 2000 * maxMethods / 256 {
			call := &Call{Target: "t", Method: fmt.Sprint(i), sent: clock.Now()}
			time.Sleep(time.Millisecond + time.Duration(i))
			c.learn(call, Result{Class: Success})
		}
		if n := len(c.targets.Get("t").methods); n == 0 || n > maxMethods {
			t.Errorf("%d methods are known", n)
		}
	})
}

// An answer that our idle limit has cut off is excused for as much of a pause as the limit was
// not extended by.
func TestAnIdleLimitIsExcusedForLongPauses(t *testing.T) {
	now := clock.Now()
	for range 100 { // a busy machine may have stopped this process in truth
		if stood, _ := pause.Between(now-int64(1200*time.Millisecond), now); stood == 0 {
			break
		}
		<-time.After(100 * time.Millisecond)
		now = clock.Now()
	}
	if got := idle(100 * time.Millisecond); got != Failure {
		t.Errorf("without a pause: %v", got)
	}
	pause.Note(now-int64(1500*time.Millisecond), now)
	if got := idle(2 * time.Second); got != LocalPause {
		t.Errorf("after a pause of 1.5 s, of which a second was made good: %v", got)
	}
	if got := idle(10 * time.Second); got != LocalPause {
		t.Errorf("after a pause of 1.5 s of ten: %v", got)
	}
}

// Nothing is learnt of the targets that share one, since it is another one each time; one that is
// called so is no stranger.
func TestNothingIsLearntOfStrangers(t *testing.T) {
	c := newChain()
	c.targets.Max = 2
	for _, name := range []string{"a", "other"} {
		busy := c.targets.Get(name)
		busy.quiet, busy.until = 1, clock.Now()
		if busy.stranger {
			t.Errorf("%s is a stranger", name)
		}
	}
	if !c.targets.Get("b").stranger {
		t.Error("what others share is learnt")
	}
}
