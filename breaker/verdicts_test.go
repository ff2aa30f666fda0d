package breaker_test

import (
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/breaker"
)

// The circuit asks the Class how the server is: what this process did, and what somebody
// behind the server did, does not open it, and says nothing of a probe.
func TestOnlyWhatTheServerDidOpensTheCircuit(t *testing.T) {
	for class := range holdfast.LocalPause + 1 {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(breaker.Options{})
			for range 100 {
				r.call(holdfast.Result{Err: errors.New("x"), Class: class})
			}
			ill := class.Server() == holdfast.Unhealthy || class.Server() == holdfast.Overloaded
			if open := r.State("t") == breaker.Open; open != ill {
				t.Errorf("%v: open %v", class, open)
			}
		})
		synctest.Test(t, func(t *testing.T) {
			r := newRig(breaker.Options{})
			r.halfOpen(t)
			r.call(holdfast.Result{Err: errors.New("x"), Class: class})
			want := map[holdfast.Health]breaker.State{
				holdfast.Unknown: breaker.HalfOpen, holdfast.Healthy: breaker.Closed, holdfast.Unhealthy: breaker.Open, holdfast.Overloaded: breaker.Open,
			}[class.Server()]
			wantState(t, r, want)
		})
	}
}

// T46: a probe from before a Reset decides nothing about the probe that is under way now.
func TestT46_AnEarlierProbeDecidesNothing(t *testing.T) {
	for _, late := range []holdfast.Result{good, bad, ignored} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(breaker.Options{})
			var wg sync.WaitGroup
			probe := func(res holdfast.Result) (end func()) {
				r.halfOpen(t)
				done := make(chan struct{})
				r.answer = func() holdfast.Result { <-done; return res }
				wg.Go(func() { r.begin("t") })
				synctest.Wait()
				return func() { close(done); synctest.Wait() }
			}
			endFirst := probe(late)
			r.Reset("t")
			endSecond := probe(good)
			endFirst()
			wantState(t, r, breaker.HalfOpen)
			if res := r.call(good); !errors.Is(res.Err, breaker.ErrOpen) {
				t.Errorf("a second probe beside the one that is under way: %v", res.Err)
			}
			endSecond()
			wg.Wait()
			wantState(t, r, breaker.Closed)
		})
	}
}

// T54: answers that break off count in the ratio too, where they never come in a row.
func TestT54_BrokenAnswersCountInTheRatio(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(breaker.Options{ConsecutiveFailures: -1, ConsecutiveFailuresUnderLoad: -1, MinSamples: 20, FailureRatio: 0.5})
		end := func(class holdfast.Class) {
			answer := new(reply)
			r.call(holdfast.Result{Reply: answer, Class: holdfast.Success})
			answer.Finish(holdfast.End{Class: class})
		}
		for range 9 {
			end(holdfast.Success)
			end(holdfast.Failure)
		}
		wantState(t, r, breaker.Closed)
		if s := r.Status("t"); s.Calls != 18 || s.Failures != 9 {
			t.Errorf("%+v", s)
		}
		end(holdfast.Success)
		end(holdfast.Failure)
		wantState(t, r, breaker.Open)
	})
}

// An answer that broke off by a pause of this process, or by the caller, is not counted.
func TestT54_AnAnswerThatWeCutOffDoesNotCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(breaker.Options{})
		for _, class := range []holdfast.Class{holdfast.LocalPause, holdfast.Ignored} {
			for range 60 {
				answer := new(reply)
				r.call(holdfast.Result{Reply: answer, Class: holdfast.Success})
				answer.Finish(holdfast.End{Class: class})
			}
		}
		wantState(t, r, breaker.Closed)
		time.Sleep(time.Second)
	})
}
