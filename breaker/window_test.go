package breaker_test

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/breaker"
	"github.com/holdfast-go/holdfast/internal/clock"
)

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

// A call counts until Window is over, to the instant.
func TestT50_AWindowIsOfTenBuckets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(breaker.Options{})
		second := int64(time.Second)
		time.Sleep(time.Duration((clock.Turn(clock.Now(), second)+1)*second - clock.Now())) // to where a bucket begins
		for range 10 {
			r.call(good)
			began := time.Now()
			time.Sleep(10*time.Second - 1)
			if s := r.Status("t"); s.Calls != 1 {
				t.Fatalf("%d calls after %v", s.Calls, time.Since(began))
			}
			time.Sleep(1)
			if s := r.Status("t"); s.Calls != 0 {
				t.Fatalf("%d calls after %v", s.Calls, time.Since(began))
			}
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
		r := newRig(breaker.Options{MaxKeys: 10})
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
		r := newRig(breaker.Options{SlowDuration: time.Second / 4})
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
		if s := r.With(breaker.Options{ConsecutiveFailures: 7}).State("t"); s != breaker.Open {
			t.Errorf("with other options it is %v", s)
		}
		shadow := newRig(breaker.Options{ObserveOnly: true})
		shadow.open(t)
		if res := shadow.call(good); res.Err != good.Err {
			t.Errorf("ObserveOnly rejects: %v", res.Err)
		}
	})
}
