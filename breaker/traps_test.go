package breaker_test

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
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
	sent   atomic.Int64
}

func newRig(o breaker.Options) *rig {
	r := &rig{Breaker: breaker.New(o)}
	r.send = r.Wrap(func(context.Context, *holdfast.Call) holdfast.Result {
		r.sent.Add(1)
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
			r := newRig(breaker.Options{ProbeTimeout: time.Second})
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
		before, done := r.sent.Load(), make(chan struct{})
		r.answer = func() holdfast.Result { <-done; return good }
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() { r.begin("t") })
		}
		synctest.Wait()
		if n := r.sent.Load() - before; n != 1 {
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
		r := newRig(breaker.Options{OnChange: func(_ context.Context, c holdfast.Event) { told = append(told, c.From+" "+c.To) }})
		stop := r.Watch(func(context.Context, holdfast.Event) { panic("listener") })
		r.Watch(func(_ context.Context, c holdfast.Event) {
			also = append(also, c.From+" "+c.To)
			r.State("t") // it may call back
			if c.To == breaker.Open.String() {
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

func TestT46_LateFailuresDoNotOpenAClosedCircuitAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(breaker.Options{})
		done := make(chan struct{})
		var wg sync.WaitGroup
		r.answer = func() holdfast.Result { <-done; return bad }
		for range 100 {
			wg.Go(func() { r.begin("t") })
		}
		synctest.Wait()
		r.halfOpen(t)
		r.call(good)
		close(done)
		wg.Wait()
		wantState(t, r, breaker.Closed)
		if s := r.Status("t"); s.Failures != 0 || s.ConsecutiveFailures != 0 {
			t.Errorf("%+v", s)
		}
	})
}
