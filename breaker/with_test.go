package breaker_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/breaker"
)

// OnChange is taken away, given and replaced by With, whichever of them is asked.
func TestWithHasTheNewOnChangeTold(t *testing.T) {
	told := map[string]int{}
	tells := func(name string) func(context.Context, holdfast.Event) {
		return func(context.Context, holdfast.Event) { told[name]++ }
	}
	none := breaker.New(breaker.Options{OnChange: tells("first")}).With(breaker.Options{})
	none.Isolate("a")
	if len(told) != 0 {
		t.Errorf("one that was taken away was told: %v", told)
	}
	second := none.With(breaker.Options{OnChange: tells("second")})
	third := second.With(breaker.Options{OnChange: tells("third")})
	for _, b := range []*breaker.Breaker{none, second, third} {
		b.Reset("a")
		b.Isolate("a")
	}
	if len(told) != 1 || told["third"] != 6 {
		t.Errorf("%v, want all six told to the third", told)
	}
	if third.Options().OnChange == nil || none.Options().OnChange != nil {
		t.Error("the options in force say something else")
	}
}

// MaxKeys is changed while circuits are open: those stay.
func TestWithBoundsTheCircuits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(breaker.Options{})
		r.open(t)
		r.answer = func() holdfast.Result { return good }
		for i := range 100 {
			r.begin(fmt.Sprint(i))
		}
		count := func(b *breaker.Breaker) (n int) {
			b.Each(func(string, breaker.Status) bool { n++; return true })
			return n
		}
		less := r.With(breaker.Options{MaxKeys: 7})
		if n := count(less); n != 7 || less.Options().MaxKeys != 7 || less.State("t") != breaker.Open {
			t.Errorf("%d circuits, %d at most, that of t is %v", n, less.Options().MaxKeys, less.State("t"))
		}
		more := less.With(breaker.Options{MaxKeys: 50})
		for i := range 100 {
			r.begin(fmt.Sprint(i))
		}
		if n := count(more); n != 50 || more.State("t") != breaker.Open {
			t.Errorf("%d circuits, want 50; that of t is %v", n, more.State("t"))
		}
	})
}

// What was counted still counts when the Window becomes another.
func TestWithKeepsWhatWasCounted(t *testing.T) {
	for _, window := range []time.Duration{5 * time.Second, 20 * time.Second, time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			time.Sleep(100 * time.Second)
			o := breaker.Options{ConsecutiveFailures: -1, MinSamples: 4, Window: 10 * time.Second}
			b := breaker.New(o)
			call := func(b *breaker.Breaker) {
				b.Wrap(func(context.Context, *holdfast.Call) holdfast.Result { return bad })(t.Context(), &holdfast.Call{Target: "t", Record: new(holdfast.Record)})
			}
			for range 3 {
				call(b)
			}
			time.Sleep(3 * time.Second)
			o.Window = window
			with := b.With(o)
			if got := with.Status("t").Failures; got != 3 {
				t.Errorf("%v: %d failures are counted, want 3", window, got)
			}
			call(with)
			if got := with.State("t"); got != breaker.Open {
				t.Errorf("%v: the circuit is %v after 4 failures of 4", window, got)
			}
		})
	}
}

// What is open is so for no longer than the new bounds allow, since when it was opened.
func TestWithBoundsTheTimeOfWhatIsOpen(t *testing.T) {
	for name, c := range map[string]struct {
		first, wish time.Duration
		o           breaker.Options
		left        time.Duration
	}{
		"the longest time":                     {time.Minute, 0, breaker.Options{OpenDuration: time.Minute, MaxOpenDuration: 10 * time.Second}, 10 * time.Second},
		"a wish":                               {time.Minute, 4 * time.Minute, breaker.Options{MaxRetryAfter: 20 * time.Second, MaxOpenDuration: 10 * time.Second}, 20 * time.Second},
		"a wish that is as good as ever":       {time.Minute, 4 * time.Minute, breaker.Options{MaxOpenDuration: 10 * time.Second}, 4 * time.Minute},
		"a wish within the longest time":       {time.Second, 30 * time.Second, breaker.Options{OpenDuration: time.Second, MaxOpenDuration: 10 * time.Second}, 30 * time.Second},
		"a wish, of which there are none more": {time.Minute, 4 * time.Minute, breaker.Options{MaxRetryAfter: -1}, time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(breaker.Options{OpenDuration: c.first})
				r.halfOpen(t)
				res := bad
				res.After = c.wish
				r.call(res)
				time.Sleep(time.Second)
				with := r.With(c.o)
				if left := time.Until(with.Status("t").Until); left != c.left-time.Second {
					t.Errorf("open for another %v, want %v", left, c.left-time.Second)
				}
			})
		})
	}
}

// Whether somebody has looked between two changes of the Window makes no difference.
func TestLooksBetweenChangesMakeNoDifference(t *testing.T) {
	count := func(look bool) (n uint64) {
		synctest.Test(t, func(t *testing.T) {
			o := breaker.Options{ConsecutiveFailures: -1, ConsecutiveFailuresUnderLoad: -1, FailureRatio: -1}
			r := newRig(o)
			for range 5 {
				for range 500 { // so that each shard of the window has some
					r.call(bad)
				}
				time.Sleep(time.Second)
			}
			short := o
			short.Window = time.Second
			b := r.With(short)
			if look {
				b.Status("t")
			}
			n = b.With(o).Status("t").Failures
		})
		return n
	}
	if with, without := count(true), count(false); with != without {
		t.Errorf("%d failures where somebody has looked, and %d where nobody has", with, without)
	}
}

// Of several changes at once one is in force, for all that it changes.
func TestChangesAtOnceLeaveOneInForce(t *testing.T) {
	for range 2000 {
		b := breaker.New(breaker.Options{})
		told := make(chan int, 10)
		var wg sync.WaitGroup
		for i := 1; i <= 8; i++ {
			wg.Go(func() {
				b.With(breaker.Options{MaxKeys: i, OnChange: func(context.Context, holdfast.Event) { told <- i }})
			})
		}
		wg.Wait()
		h := holdfast.Chain(b)
		for i := range 10 {
			_, _ = holdfast.Do(t.Context(), h, holdfast.Call{Target: fmt.Sprint(i)}, func(context.Context) (int, error) { return 0, nil })
		}
		kept := 0
		b.Each(func(string, breaker.Status) bool { kept++; return true })
		b.Isolate("a")
		if got := <-told; got != kept {
			t.Fatalf("%d keys are kept, and the callback is that of %d", kept, got)
		}
	}
}

// Policies that share circuits each go by their own bounds, and making one with other bounds changes
// nothing for the others.
func TestEachOfThoseThatShareHasItsBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(breaker.Options{OpenDuration: time.Minute})
		r.open(t)
		before := r.sent.Load()
		short := r.With(breaker.Options{MaxOpenDuration: time.Second})
		time.Sleep(2 * time.Second)
		if long, quick := r.State("t"), short.State("t"); long != breaker.Open || quick != breaker.HalfOpen {
			t.Errorf("it is %v by a bound of a minute, and %v by one of a second", long, quick)
		}
		if r.call(good); r.sent.Load() != before {
			t.Error("a call was sent 2 s after the circuit was opened for a minute")
		}
	})
}

// Calls that come more rarely than Window still see a long outage.
func TestRareCallsSeeALongOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(breaker.Options{})
		r.open(t)
		before := r.sent.Load()
		for range 100 {
			time.Sleep(11 * time.Second)
			r.call(bad)
		}
		if n := r.sent.Load() - before; n > 40 {
			t.Errorf("%d of 100 calls were sent to a server that is down", n)
		}
	})
}
