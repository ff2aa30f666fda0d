package holdfast_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
)

// classOfDo runs a function under a caller's deadline and returns what its attempt was held for.
func classOfDo(h *verdicts, left, takes time.Duration) holdfast.Class {
	ctx, cancel := context.WithTimeout(context.Background(), left)
	defer cancel()
	_, _ = holdfast.Do(ctx, h.handler, holdfast.Call{Target: "t"}, func(ctx context.Context) (int, error) {
		select {
		case <-time.After(takes):
			return 1, nil
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	})
	return h.last.Class
}

// verdicts are those that a chain has given.
type verdicts struct {
	handler holdfast.Handler
	last    holdfast.Result
}

func newVerdicts() *verdicts {
	v := new(verdicts)
	v.handler = holdfast.Chain(holdfast.PolicyFunc(func(next holdfast.Handler) holdfast.Handler {
		return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
			v.last = next(ctx, call)
			return v.last
		}
	}))
	return v
}

// Running out of the caller's time is a failure when the attempt ran well beyond what the
// target usually takes; while that is not known, for half a second.
func TestTheCallersTimeIsAChanceOrNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVerdicts()
		for left, want := range map[time.Duration]holdfast.Class{
			10 * time.Millisecond: holdfast.Ignored, 490 * time.Millisecond: holdfast.Ignored, 500 * time.Millisecond: holdfast.Failure, 950 * time.Millisecond: holdfast.Failure,
		} {
			if got := classOfDo(v, left, time.Hour); got != want {
				t.Errorf("%v against a server of which nothing is known: %v, want %v", left, got, want)
			}
		}
	})
}

// ... and as it is learnt: a quick target has had its chance sooner, a slow one later.
func TestTheChanceIsLearnt(t *testing.T) {
	for usual, c := range map[time.Duration]struct{ not, yes time.Duration }{
		5 * time.Millisecond: {90 * time.Millisecond, 110 * time.Millisecond},
		2 * time.Second:      {950 * time.Millisecond, 20 * time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			v := newVerdicts()
			for range 400 { // one in eight is looked at
				if got := classOfDo(v, time.Minute, usual); got != holdfast.Success {
					t.Fatal(got)
				}
				time.Sleep(time.Millisecond)
			}
			if got := classOfDo(v, c.not, time.Hour); got != holdfast.Ignored {
				t.Errorf("usually %v, ran for %v: %v", usual, c.not, got)
			}
			if got := classOfDo(v, c.yes, time.Hour); got != holdfast.Failure {
				t.Errorf("usually %v, ran for %v: %v", usual, c.yes, got)
			}
		})
	}
}

// 10 ms against a healthy server that takes 50 ms never blame it, however often.
func TestAHastyCallerBlamesNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVerdicts()
		for i := range 1000 {
			left := 10 * time.Millisecond
			if i%2 == 0 {
				left = time.Second
			}
			if got := classOfDo(v, left, 50*time.Millisecond); got == holdfast.Failure {
				t.Fatalf("call %d: %v", i, got)
			}
		}
	})
}

// A limit of the attempt's own is its chance, however short.
func TestALimitOfOnesOwnIsAChance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		class, _ := attempt(context.Background(), 20*time.Millisecond, 0, nil)
		if class != holdfast.Success {
			t.Fatal(class)
		}
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
		defer cancel()
		if class, _ := attempt(ctx, 20*time.Millisecond, 20*time.Millisecond, errors.New("x")); class != holdfast.Failure {
			t.Errorf("got %v", class)
		}
	})
}

// A policy that ends an attempt asks the Call itself.
func TestACallIsJudgedByThePolicyThatEndsIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		call := &holdfast.Call{Target: "t", Sender: senderFunc(func(context.Context, *holdfast.Call) holdfast.Result {
			time.Sleep(time.Second)
			return holdfast.Result{Err: errors.New("x"), Class: holdfast.Failure}
		})}
		if call.OutOfTime() != holdfast.Ignored {
			t.Error("one that was never sent is blamed")
		}
		holdfast.Chain()(context.Background(), call)
		if got := call.OutOfTime(); got != holdfast.Failure {
			t.Errorf("one that ran for a second: %v", got)
		}
	})
}

// A server to which all callers give next to nothing is not blamed for it, however many they
// are.
func TestHastyCallersBlameNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVerdicts()
		for i := range 1000 {
			if got := classOfDo(v, 10*time.Millisecond, 50*time.Millisecond); got != holdfast.Ignored {
				t.Fatalf("call %d: %v", i, got)
			}
		}
	})
}

// Several attempts that had a good part of a chance each, and not a word from the server
// between them, are a chance together; a word begins anew.
func TestSilenceIsAChanceTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVerdicts()
		for range 3 {
			for i, want := range []holdfast.Class{holdfast.Ignored, holdfast.Ignored, holdfast.Failure, holdfast.Failure} {
				if got := classOfDo(v, 480*time.Millisecond, time.Hour); got != want {
					t.Errorf("attempt %d: %v, want %v", i, got, want)
				}
			}
			if got := classOfDo(v, time.Minute, time.Second); got != holdfast.Success {
				t.Fatal(got)
			}
		}
	})
}

// A server whose answers were slow now and then, and that hangs, is found, with the time that
// an inner hop has left.
func TestASlowServerThatHangsIsFound(t *testing.T) {
	for name, takes := range map[string]func(i int) time.Duration{
		"one in ten takes 800 ms": func(i int) time.Duration { return 20*time.Millisecond + time.Duration(i%10/9)*780*time.Millisecond },
		"200 and 400 ms in turn":  func(i int) time.Duration { return time.Duration(1+i%2) * 200 * time.Millisecond },
	} {
		synctest.Test(t, func(t *testing.T) {
			v := newVerdicts()
			for i := range 500 {
				if got := classOfDo(v, 950*time.Millisecond, takes(i)); got != holdfast.Success {
					t.Fatalf("%s: call %d: %v", name, i, got)
				}
				time.Sleep(time.Millisecond)
			}
			failures := 0
			for range 10 {
				if classOfDo(v, 950*time.Millisecond, time.Hour) == holdfast.Failure {
					failures++
				}
			}
			if failures < 7 {
				t.Errorf("%s: %d of 10 attempts on a server that hangs are failures", name, failures)
			}
		})
	}
}

// What one method takes says nothing of another.
func TestAQuickMethodSaysNothingOfASlowOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := newVerdicts()
		for range 400 {
			classOfDo(v, time.Minute, time.Millisecond) // of the method ""
			time.Sleep(time.Millisecond)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 150*time.Millisecond)
		defer cancel()
		_, _ = holdfast.Do(ctx, v.handler, holdfast.Call{Target: "t", Method: "report"}, func(ctx context.Context) (int, error) { <-ctx.Done(); return 0, ctx.Err() })
		if v.last.Class != holdfast.Ignored {
			t.Errorf("150 ms for a report of which nothing is known: %v", v.last.Class)
		}
	})
}
