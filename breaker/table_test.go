package breaker_test

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/breaker"
)

// crowd has a hundred other keys called, which would take the place of t in a table of one.
func (r *rig) crowd() {
	r.answer = func() holdfast.Result { return good }
	for i := range 100 {
		r.begin(fmt.Sprint("other", i))
	}
}

func (r *rig) kept() (keys []string) {
	r.Each(func(key string, _ breaker.Status) bool { keys = append(keys, key); return true })
	return keys
}

// What the table must not forget, however many other keys are called.
func TestT52_WhatIsKept(t *testing.T) {
	for name, prepare := range map[string]func(t *testing.T, r *rig){
		"isolated":                        func(_ *testing.T, r *rig) { r.Isolate("t") },
		"isolated long ago":               func(_ *testing.T, r *rig) { r.Isolate("t"); time.Sleep(1000 * time.Hour) },
		"open":                            func(t *testing.T, r *rig) { r.open(t) },
		"half-open":                       func(t *testing.T, r *rig) { r.halfOpen(t) },
		"after a probe that says nothing": func(t *testing.T, r *rig) { r.halfOpen(t); r.call(ignored) },
		"in use, of which probes say nothing": func(t *testing.T, r *rig) {
			r.halfOpen(t)
			for range 100 {
				r.call(ignored)
				time.Sleep(59 * time.Second)
			}
		},
		"failed lately": func(_ *testing.T, r *rig) { r.call(bad) },
		"slow lately": func(_ *testing.T, r *rig) {
			r.answer = func() holdfast.Result { time.Sleep(time.Second); return good }
			r.begin("t")
		},
		"closed a moment ago": func(t *testing.T, r *rig) { r.halfOpen(t); r.call(good) },
		"broke off lately": func(_ *testing.T, r *rig) {
			answer := new(reply)
			r.call(holdfast.Result{Reply: answer, Class: holdfast.Success})
			time.Sleep(time.Minute)
			answer.Finish(holdfast.End{Class: holdfast.Failure})
		},
		"open for long, and not as long again": func(t *testing.T, r *rig) {
			r.halfOpen(t)
			res := bad
			res.After = 5 * time.Minute
			r.call(res)
			time.Sleep(9 * time.Minute)
		},
		"closed after a long outage": func(t *testing.T, r *rig) {
			r.halfOpen(t)
			res := bad
			res.After = 5 * time.Minute
			r.call(res)
			time.Sleep(5 * time.Minute)
			r.call(good)
			time.Sleep(4 * time.Minute)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(breaker.Options{MaxKeys: 1, SlowDuration: time.Second})
				prepare(t, r)
				before := r.Status("t")
				if r.crowd(); len(r.kept()) != 1 || r.kept()[0] != "t" || r.Status("t") != before {
					t.Errorf("%v are kept, t was %+v and is %+v", r.kept(), before, r.Status("t"))
				}
			})
		})
	}
}

// A circuit that a call is asking is not forgotten: as the probe, or as a call of a closed one.
func TestT52_WhatIsInUseIsKept(t *testing.T) {
	for _, halfOpen := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(breaker.Options{MaxKeys: 1, ProbeTimeout: -1})
			if halfOpen {
				r.halfOpen(t)
			}
			done := make(chan holdfast.Result)
			r.answer = func() holdfast.Result { return <-done }
			go r.begin("t")
			synctest.Wait()
			time.Sleep(24 * time.Hour)
			before := r.State("t")
			if r.crowd(); len(r.kept()) != 1 || r.kept()[0] != "t" || r.State("t") != before {
				t.Errorf("%v are kept, t was %v and is %v", r.kept(), before, r.State("t"))
			}
			done <- good
			synctest.Wait()
			time.Sleep(time.Second)
			if r.crowd(); r.kept()[0] == "t" {
				t.Error("t is kept, though nobody asks it any more")
			}
		})
	}
}

// What failed long ago makes room, and so does an open circuit whose time is over and that nobody
// has called since.
func TestT52_WhatMakesRoom(t *testing.T) {
	for name, prepare := range map[string]func(t *testing.T, r *rig){
		"failed long ago":                 func(_ *testing.T, r *rig) { r.call(bad) },
		"four failures in a row long ago": func(_ *testing.T, r *rig) { r.call(bad); r.call(bad); r.call(bad); r.call(bad) },
		"open long ago":                   func(t *testing.T, r *rig) { r.open(t) },
		"half-open long ago":              func(t *testing.T, r *rig) { r.halfOpen(t); r.call(ignored) },
		"closed long ago":                 func(t *testing.T, r *rig) { r.halfOpen(t); r.call(good) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(breaker.Options{MaxKeys: 1})
				prepare(t, r)
				time.Sleep(61 * time.Second) // more than MaxOpenDuration
				if r.crowd(); len(r.kept()) != 1 || r.kept()[0] == "t" {
					t.Errorf("%v are kept", r.kept())
				}
			})
		})
	}
}

// Calls whose key finds no room are let through, whatever becomes of them, and take nothing from
// each other; they are counted and told.
func TestCallsThatFindNoRoomAreLetThrough(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(breaker.Options{MaxKeys: 1})
		r.Isolate("t")
		var told []holdfast.Event
		call := &holdfast.Call{Target: "mallory", Method: "get", Record: new(holdfast.Record)}
		call.Record.Listen(holdfast.NewListener(func(_ context.Context, e holdfast.Event) { told = append(told, e) }))
		r.answer = func() holdfast.Result { res := bad; res.After = 300 * time.Second; return res }
		for range 100 {
			r.send(t.Context(), call)
		}
		r.answer = func() holdfast.Result { return good }
		if res := r.begin("alice"); res.Class != holdfast.Success || r.sent.Load() != 101 {
			t.Errorf("alice has %+v; %d sent", res, r.sent.Load())
		}
		if s := r.Status("mallory"); s != (breaker.Status{}) {
			t.Errorf("mallory has a circuit: %+v", s)
		}
		for f := range r.Figures {
			if f.Name == "table_full_total" && f.Value != 101 {
				t.Errorf("%v were counted", f.Value)
			}
		}
		if len(told) != 7 || told[0].Kind != "table_full" || told[0].Target != "mallory" || !strings.Contains(told[6].Detail, "64") {
			t.Errorf("told %+v", told)
		}
		r.Reset("t")
		if r.call(good); r.State("t") != breaker.Closed {
			t.Error("t was not reset")
		}
		if r.begin("alice"); r.Status("alice").Calls != 1 {
			t.Errorf("there is room, and alice has none: %v", r.kept())
		}
		r.Isolate("by hand")
		r.Isolate("as well")
		if r.State("by hand") != breaker.Isolated || r.State("as well") != breaker.Isolated {
			t.Errorf("there is no room for what is isolated: %v", r.kept())
		}
	})
}

// An answer whose circuit was forgotten while it was read counts with the circuit that its key has
// by then.
func TestABrokenAnswerOfAForgottenCircuitCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(breaker.Options{MaxKeys: 1})
		var answers []*reply
		r.answer = func() holdfast.Result {
			answers = append(answers, new(reply))
			return holdfast.Result{Reply: answers[len(answers)-1], Class: holdfast.Success}
		}
		for range 5 {
			r.begin("t")
		}
		if r.crowd(); r.kept()[0] == "t" {
			t.Fatal("t was not forgotten")
		}
		for i, answer := range answers {
			wantState(t, r, breaker.Closed)
			answer.Finish(holdfast.End{Class: holdfast.Failure})
			if s := r.Status("t"); i < 4 && s.Failures != 0 && s.Failures != uint64(i+1) {
				t.Errorf("%+v after %d", s, i+1)
			}
		}
		wantState(t, r, breaker.Open)
	})
}

// Any number of keys of an attacker's choosing cost a table's memory, and one that is open stays so.
func TestKeysOfAnAttackersChoosing(t *testing.T) {
	keys := 100_000
	if testing.Short() {
		keys = 10_000
	}
	synctest.Test(t, func(t *testing.T) { // where no time passes
		r := newRig(breaker.Options{})
		r.open(t)
		memory := func() int64 {
			var m runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&m)
			return int64(m.HeapAlloc)
		}
		before := memory()
		for i := range keys {
			if res := r.begin(fmt.Sprint("attack", i)); res.Err != bad.Err {
				t.Fatalf("rejected for what others did: %v", res.Err)
			}
		}
		if grown := memory() - before; grown > 16<<20 {
			t.Errorf("%d KiB for %d keys", grown>>10, keys)
		}
		if n := len(r.kept()); n > 1024 || r.State("t") != breaker.Open {
			t.Errorf("%d circuits, that of t is %v", n, r.State("t"))
		}
	})
}

// A failure after a long time in which nobody has called is no sign of a long outage; while somebody
// calls, open times grow with it.
func TestAnOutageCountsFromTheFirstCallThatSawIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(breaker.Options{})
		r.open(t)
		time.Sleep(24 * time.Hour)
		r.call(bad) // the probe
		if left := time.Until(r.Status("t").Until); left > 200*time.Millisecond || left < 160*time.Millisecond {
			t.Errorf("open for another %v", left)
		}
		for range 100 { // and its callers give up
			time.Sleep(time.Second)
			r.call(ignored)
		}
		r.call(bad)
		if left := time.Until(r.Status("t").Until); left < 20*time.Second || left > 26*time.Second {
			t.Errorf("open for another %v after 100 s of which nobody knows that it was well", left)
		}
		longest := time.Duration(0)
		for range 60 { // somebody calls every other second
			time.Sleep(2 * time.Second)
			r.call(bad)
			longest = max(longest, time.Until(r.Status("t").Until))
		}
		if longest < 30*time.Second || longest > 60*time.Second {
			t.Errorf("open for %v at most in four minutes of outage", longest)
		}
	})
}
