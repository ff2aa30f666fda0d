package breaker_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/breaker"
)

var (
	good    = holdfast.Result{Err: errors.New("stands for an answer"), Class: holdfast.Success}
	bad     = holdfast.Result{Err: errors.New("down"), Class: holdfast.Failure, Code: "503"}
	ignored = holdfast.Result{Err: context.Canceled, Code: "cancelled"}
)

// A rig sends calls through a Breaker to whatever answer does.
type rig struct {
	*breaker.Breaker
	answer func() holdfast.Result
	send   holdfast.Handler
	sent   int
}

func newRig(o breaker.Options) *rig {
	r := &rig{Breaker: breaker.New(o)}
	r.send = r.Wrap(func(context.Context, *holdfast.Call) holdfast.Result {
		r.sent++
		return r.answer()
	})
	return r
}

func (r *rig) call(res holdfast.Result) holdfast.Result {
	r.answer = func() holdfast.Result { return res }
	return r.begin("t")
}

func (r *rig) begin(target string) holdfast.Result {
	return r.send(context.Background(), &holdfast.Call{Target: target, Method: "get", Record: new(holdfast.Record)})
}

// open fails calls until the circuit is open.
func (r *rig) open(t *testing.T) {
	t.Helper()
	for range 60 {
		if r.call(bad); r.State("t") == breaker.Open {
			return
		}
	}
	t.Fatal("60 failures do not open the circuit")
}

// halfOpen opens the circuit and lets its time pass.
func (r *rig) halfOpen(t *testing.T) {
	t.Helper()
	r.open(t)
	time.Sleep(time.Until(r.Status("t").Until))
}

func wantState(t *testing.T, r *rig, want breaker.State) {
	t.Helper()
	if got := r.State("t"); got != want {
		t.Errorf("the circuit is %v, want %v", got, want)
	}
}

func TestT43_AProbeGivesItsPlaceBack(t *testing.T) {
	for name, end := range map[string]func(){"panic": func() { panic("boom") }, "goexit": runtime.Goexit} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(breaker.Options{})
				r.halfOpen(t)
				var wg sync.WaitGroup
				wg.Go(func() {
					defer func() { _ = recover() }()
					r.answer = func() holdfast.Result { end(); return bad }
					r.begin("t")
				})
				wg.Wait()
				r.call(good)
				wantState(t, r, breaker.Closed)
			})
		})
	}
	t.Run("hangs", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(breaker.Options{ProbeLimit: time.Second})
			r.halfOpen(t)
			done := make(chan struct{})
			r.answer = func() holdfast.Result { <-done; return good }
			var wg sync.WaitGroup
			wg.Go(func() { r.begin("t") })
			synctest.Wait()
			time.Sleep(time.Second)
			r.call(good) // finds that the probe took too long
			time.Sleep(time.Until(r.Status("t").Until))
			r.call(bad)
			wantState(t, r, breaker.Open)
			close(done)
			wg.Wait()
			wantState(t, r, breaker.Open) // the late answer changes nothing
		})
	})
}

func TestT44_AProbeRejectedFurtherInGivesItsPlaceBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(breaker.Options{})
		r.halfOpen(t)
		r.call(ignored)
		wantState(t, r, breaker.HalfOpen)
		r.call(good)
		wantState(t, r, breaker.Closed)
	})
}

func TestT45_OneProbeAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(breaker.Options{})
		r.halfOpen(t)
		before, done := r.sent, make(chan struct{})
		r.answer = func() holdfast.Result { <-done; return good }
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() { r.begin("t") })
		}
		synctest.Wait()
		if n := r.sent - before; n != 1 {
			t.Errorf("%d probes at once", n)
		}
		close(done)
		wg.Wait()
		wantState(t, r, breaker.Closed)
	})
}

func TestT46_WhatBeganInAnEarlierStateChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(breaker.Options{})
		done := make(chan struct{})
		var wg sync.WaitGroup
		r.answer = func() holdfast.Result { <-done; return good }
		wg.Go(func() { r.begin("t") })
		synctest.Wait()
		r.halfOpen(t)
		close(done)
		wg.Wait()
		wantState(t, r, breaker.HalfOpen)
	})
}

func TestT47_T56_WhatSaysNothingCountsAsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(breaker.Options{})
		for range 100 {
			r.call(ignored)
		}
		wantState(t, r, breaker.Closed)
		r.open(t)
		before := r.Status("t")
		for range 100 {
			r.call(good) // rejected
		}
		after := r.Status("t")
		if after.Rejected != 100 || after.Until != before.Until || after.Failures != before.Failures {
			t.Errorf("rejections changed %+v to %+v", before, after)
		}
	})
}

func TestT48_EveryClassCountsAsItShould(t *testing.T) {
	for class, opens := range map[holdfast.Class]bool{
		holdfast.Success: false, holdfast.Ignored: false,
		holdfast.Failure: true, holdfast.Refused: true, holdfast.Overload: true,
	} {
		synctest.Test(t, func(t *testing.T) {
			r, lenient := newRig(breaker.Options{}), newRig(breaker.Options{IgnoreOverload: true})
			for range 5 {
				r.call(holdfast.Result{Err: errors.New("x"), Class: class})
				lenient.call(holdfast.Result{Err: errors.New("x"), Class: class})
			}
			if got := r.State("t") == breaker.Open; got != opens {
				t.Errorf("five of class %v open it: %v", class, got)
			}
			if got := lenient.State("t") == breaker.Open; got != (opens && class != holdfast.Overload) {
				t.Errorf("IgnoreOverload: five of class %v open it: %v", class, got)
			}
		})
	}
}

func TestT49_T57_ListenersAreToldInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told, also []string
		r := newRig(breaker.Options{OnChange: func(c breaker.Change) { told = append(told, fmt.Sprint(c.From, " ", c.To)) }})
		stop := r.Listen(func(breaker.Change) { panic("listener") })
		r.Listen(func(c breaker.Change) {
			also = append(also, fmt.Sprint(c.From, " ", c.To))
			r.State("t") // it may call back
			if c.To == breaker.Open {
				r.Isolate("u")
			}
		})
		func() {
			defer func() {
				if recover() != "listener" {
					t.Error("the panic of a listener is lost")
				}
			}()
			r.open(t)
		}()
		stop()
		time.Sleep(time.Second)
		r.call(good)
		want := []string{"closed open", "closed isolated", "open half-open", "half-open closed"}
		if !slices.Equal(told, want) || !slices.Equal(also, want) {
			t.Errorf("told %q and %q, want %q", told, also, want)
		}
	})
}

func TestT50_OldCallsExpireOnRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(breaker.Options{})
		for range 30 {
			r.call(good)
			r.call(bad)
		}
		if s := r.Status("t"); s.Calls != 60 || s.Failures != 30 {
			t.Errorf("%+v", s)
		}
		time.Sleep(11 * time.Second)
		if s := r.Status("t"); s.Calls != 0 || s.Failures != 0 || s.State != breaker.Closed {
			t.Errorf("after an idle window: %+v", s)
		}
	})
}

func TestT51_TheStateIsTrueWithoutACall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(breaker.Options{})
		r.open(t)
		time.Sleep(time.Until(r.Status("t").Until) - 1)
		wantState(t, r, breaker.Open)
		time.Sleep(1)
		wantState(t, r, breaker.HalfOpen)
		if r.Each(func(key string, _ breaker.Status) bool { return key == "t" }); r.State("unknown") != breaker.Closed {
			t.Error("an unknown key is not closed")
		}
	})
}

func TestT52_TheTableKeepsWhatIsOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(breaker.Options{Keys: 10})
		r.open(t)
		r.answer = func() holdfast.Result { return good }
		for i := range 1000 {
			r.begin(fmt.Sprint("other", i))
		}
		n := 0
		r.Each(func(string, breaker.Status) bool { n++; return true })
		if n > 10 || r.State("t") != breaker.Open {
			t.Errorf("%d keys are kept, and the open one is %v", n, r.State("t"))
		}
	})
}

func TestT53_SlowCallsOpenIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(breaker.Options{Slow: time.Second / 4})
		r.answer = func() holdfast.Result { time.Sleep(time.Second / 4); return good }
		for i := range 20 {
			wantState(t, r, breaker.Closed)
			if r.begin("t"); i < 19 && r.State("t") != breaker.Closed {
				t.Fatalf("open after %d slow calls", i+1)
			}
		}
		wantState(t, r, breaker.Open)
	})
}

// A reply that the test ends.
type reply struct{ holdfast.Ending }

func (*reply) Discard() {}

func TestT54_BrokenAnswersCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(breaker.Options{})
		for range 5 {
			wantState(t, r, breaker.Closed)
			answer := new(reply)
			r.call(holdfast.Result{Reply: answer, Class: holdfast.Success})
			answer.Finish(holdfast.End{Class: holdfast.Failure})
		}
		wantState(t, r, breaker.Open)
	})
}

func TestT55_TheRejectionSaysWhatThereIsToKnow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(breaker.Options{})
		r.open(t)
		res := r.call(good)
		var open *breaker.OpenError
		if !errors.As(res.Err, &open) || !errors.Is(res.Err, breaker.ErrOpen) || open.Target != "t" || open.State != breaker.Open {
			t.Fatalf("%v", res.Err)
		}
		if open.Until != r.Status("t").Until || res.After != time.Until(open.Until) || res.Class != holdfast.Ignored {
			t.Errorf("%+v, %+v", open, res)
		}
	})
}

func TestT91_HealthyLoadIsNeverRejected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(breaker.Options{})
		for i := range 10_000 {
			if i%4 == 0 {
				r.call(bad)
			} else if res := r.call(good); errors.Is(res.Err, breaker.ErrOpen) {
				t.Fatal("rejected")
			}
		}
	})
}

func TestR07_ProbesAreReleasedAndTheServersWishCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(breaker.Options{})
		for range 5 {
			r.call(holdfast.Result{Err: errors.New("x"), Class: holdfast.Overload, After: 30 * time.Second})
		}
		if left := time.Until(r.Status("t").Until); left != 30*time.Second {
			t.Errorf("open for %v, the server asked for 30s", left)
		}
		r.Reset("t")
		wantState(t, r, breaker.Closed)
		r.Isolate("t")
		time.Sleep(time.Hour)
		if res := r.call(good); !errors.Is(res.Err, breaker.ErrOpen) {
			t.Error("an isolated circuit lets calls through")
		}
	})
}

func TestWithKeepsTheCircuits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(breaker.Options{})
		r.open(t)
		if s := r.With(breaker.Options{Row: 7}).State("t"); s != breaker.Open {
			t.Errorf("with other options it is %v", s)
		}
		shadow := newRig(breaker.Options{ObserveOnly: true})
		shadow.open(t)
		if res := shadow.call(good); res.Err != good.Err {
			t.Errorf("ObserveOnly rejects: %v", res.Err)
		}
	})
}
