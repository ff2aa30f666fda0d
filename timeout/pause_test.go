package timeout_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/clock"
	"github.com/holdfast-go/holdfast/internal/pause"
	"github.com/holdfast-go/holdfast/timeout"
)

// stand has this process stand still for the last d, as far as anybody can tell. The times of
// these tests are real, and bounded from below alone.
func stand(d time.Duration) {
	now := clock.Now()
	pause.Note(now-int64(d), now)
}

// until runs an attempt whose process stands still for the first part of it, and returns how
// long it lasted and what it came to.
func until(t *testing.T, ctx context.Context, unary bool, still time.Duration, policies ...holdfast.Policy) (took time.Duration, res holdfast.Result) {
	t.Helper()
	start := time.Now()
	res = holdfast.Chain(policies...)(ctx, &holdfast.Call{Target: "a", Unary: unary, Sender: send(func(ctx context.Context, call *holdfast.Call) holdfast.Result {
		ctx = call.Context(ctx)
		done := ctx.Done() // with a timer, that is
		<-time.After(still)
		stand(still)
		<-done
		took = time.Since(start)
		v := holdfast.VerdictOf(ctx, ctx.Err())
		return holdfast.Result{Err: ctx.Err(), Class: v.Class, Code: v.Code}
	})})
	return took, res
}

// A limit is extended by the time during which this process stood still.
func TestALimitIsExtendedByPauses(t *testing.T) {
	for name, c := range map[string]struct {
		unary    bool
		policies []holdfast.Policy
	}{
		"unary":             {true, []holdfast.Policy{timeout.New(timeout.Options{Limit: 100 * time.Millisecond})}},
		"unary, adaptive":   {true, []holdfast.Policy{timeout.New(timeout.Options{Limit: 100 * time.Millisecond, Adaptive: &timeout.Adaptive{}})}},
		"whole":             {false, []holdfast.Policy{timeout.New(timeout.Options{Limit: 100 * time.Millisecond})}},
		"attempt":           {false, []holdfast.Policy{claim, timeout.New(timeout.Options{Limit: 100 * time.Millisecond})}},
		"within an outer":   {true, []holdfast.Policy{timeout.New(timeout.Options{Limit: 100 * time.Millisecond}), timeout.New(timeout.Options{Limit: time.Minute})}},
		"within an outer 2": {false, []holdfast.Policy{timeout.New(timeout.Options{Limit: time.Minute}), timeout.New(timeout.Options{Limit: 100 * time.Millisecond})}},
	} {
		t.Run(name, func(t *testing.T) {
			took, res := until(t, t.Context(), c.unary, 60*time.Millisecond, c.policies...)
			if took < 155*time.Millisecond || res.Code != holdfast.CodeTimeout {
				t.Errorf("ended after %v: %+v", took, res)
			}
		})
	}
}

// One whose whole time was a pause, and more, has a moment to find an answer.
func TestALimitThatRanOutInAPauseLooksForAnAnswer(t *testing.T) {
	start := time.Now()
	now := clock.Now()
	pause.Note(now, now+int64(100*time.Millisecond)) // it is about to stand still
	var took time.Duration
	holdfast.Chain(timeout.New(timeout.Options{Limit: 30 * time.Millisecond}))(t.Context(), &holdfast.Call{Target: "a", Unary: true, Sender: send(func(ctx context.Context, _ *holdfast.Call) holdfast.Result {
		<-ctx.Done()
		took = time.Since(start)
		return holdfast.Result{Err: ctx.Err()}
	})})
	if took < 125*time.Millisecond {
		t.Errorf("ended after %v", took)
	}
}

// The extension is bounded: by the limit itself, and the caller's deadline is never moved.
func TestTheCallersDeadlineIsNotExtended(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 120*time.Millisecond)
	defer cancel()
	theirs, _ := ctx.Deadline()
	holdfast.Chain(timeout.New(timeout.Options{Limit: 100 * time.Millisecond}))(ctx, &holdfast.Call{Target: "a", Unary: true, Sender: send(func(ctx context.Context, _ *holdfast.Call) holdfast.Result {
		before, _ := ctx.Deadline()
		<-time.After(60 * time.Millisecond)
		stand(60 * time.Millisecond)
		after, _ := ctx.Deadline()
		if !before.Before(theirs) || after.Before(before) || after.After(theirs) {
			t.Errorf("the deadline was %v, is %v, and the caller's %v", before, after, theirs)
		}
		<-ctx.Done()
		return holdfast.Result{Err: ctx.Err()}
	})})
}

// The deadline that a transport reads is that of the extended limit.
func TestTheDeadlineIsThatOfTheExtendedLimit(t *testing.T) {
	for _, policies := range [][]holdfast.Policy{{timeout.New(timeout.Options{Limit: time.Minute})}, {claim, timeout.New(timeout.Options{Limit: time.Minute})}} {
		try(t.Context(), func(ctx context.Context, _ *holdfast.Call) holdfast.Result {
			before, _ := ctx.Deadline()
			<-time.After(60 * time.Millisecond)
			stand(60 * time.Millisecond)
			if after, _ := ctx.Deadline(); after.Sub(before) < 55*time.Millisecond {
				t.Errorf("the deadline has moved by %v, want the 60 ms that this process stood still", after.Sub(before))
			}
			return holdfast.Result{Err: errBoom}
		}, policies...)
	}
}

// What is derived before and after an extension ends with it, as of a deadline and because of
// the limit; what the caller cancels ends at once.
func TestWhatIsDerivedEndsWithTheExtension(t *testing.T) {
	for _, cancelled := range []bool{false, true} {
		outer, cancelOuter := context.WithCancelCause(t.Context())
		boom := errors.New("boom")
		holdfast.Chain(timeout.New(timeout.Options{Limit: 50 * time.Millisecond}))(outer, &holdfast.Call{Target: "a", Unary: true, Sender: send(func(ctx context.Context, call *holdfast.Call) holdfast.Result {
			ctx = call.Context(ctx)
			before, cancel := context.WithCancel(ctx)
			defer cancel()
			<-time.After(30 * time.Millisecond)
			stand(30 * time.Millisecond)
			after, cancel2 := context.WithCancel(context.WithValue(ctx, key{}, 1))
			defer cancel2()
			if cancelled {
				cancelOuter(boom)
			}
			for _, derived := range []context.Context{before, after} {
				<-derived.Done()
				limit, is := context.Cause(derived).(*holdfast.TimeoutError)
				switch {
				case cancelled && (derived.Err() != context.Canceled || context.Cause(derived) != boom):
					t.Errorf("%v because of %v", derived.Err(), context.Cause(derived))
				case !cancelled && (derived.Err() != context.DeadlineExceeded || !is || !call.Limits(limit)):
					t.Errorf("%v because of %v", derived.Err(), context.Cause(derived))
				}
			}
			return holdfast.Result{Err: ctx.Err()}
		})})
		cancelOuter(nil)
	}
}

type key struct{}

// A cancel whose cause is the limit of another call (a group's, of which one has timed out)
// is a cancel, under a limit too.
func TestASiblingsLimitIsNoLimitOfOurs(t *testing.T) {
	var theirs error
	bubble(t, time.Second, func(t *testing.T) {
		try(t.Context(), func(ctx context.Context, _ *holdfast.Call) holdfast.Result {
			<-ctx.Done()
			theirs = context.Cause(ctx)
			return failed(ctx, ctx.Err())
		}, timeout.New(timeout.Options{Limit: time.Second}))
	})
	for _, unary := range []bool{true, false} {
		ctx, cancel := context.WithCancelCause(t.Context())
		holdfast.Chain(timeout.New(timeout.Options{Limit: time.Minute}))(ctx, &holdfast.Call{Target: "a", Unary: unary, Sender: send(func(ctx context.Context, call *holdfast.Call) holdfast.Result {
			ctx = call.Context(ctx)
			done := ctx.Done()
			cancel(theirs)
			<-done
			if v := holdfast.VerdictOf(ctx, ctx.Err()); v.Class != holdfast.Ignored || v.Code != holdfast.CodeCancelled || ctx.Err() != context.Canceled {
				t.Errorf("unary %v: %+v, %v", unary, v, ctx.Err())
			}
			return holdfast.Result{Err: ctx.Err()}
		})})
	}
}

// A timer that is due while nobody has looked whether the process stood still looks itself.
func TestErrLooksBeforeItTells(t *testing.T) {
	holdfast.Chain(timeout.New(timeout.Options{Limit: 40 * time.Millisecond}))(t.Context(), &holdfast.Call{Target: "a", Unary: true, Sender: send(func(ctx context.Context, _ *holdfast.Call) holdfast.Result {
		<-time.After(30 * time.Millisecond)
		stand(30 * time.Millisecond)
		<-time.After(20 * time.Millisecond)
		began := time.Now()
		if ctx.Err() != nil && time.Since(began) < 5*time.Millisecond {
			if deadline, _ := ctx.Deadline(); time.Now().Before(deadline) {
				t.Error("it has ended before its deadline")
			}
		}
		return holdfast.Result{}
	})})
}

// A pause that begins when the limit is over does not bring it back.
func TestAPauseAfterTheLimit(t *testing.T) {
	for _, unary := range []bool{true, false} {
		holdfast.Chain(timeout.New(timeout.Options{Limit: 100 * time.Millisecond}))(t.Context(), &holdfast.Call{Target: "a", Unary: unary, Sender: send(func(ctx context.Context, call *holdfast.Call) holdfast.Result {
			ctx = call.Context(ctx)
			for over := false; !over; { // without asking for an error
				<-time.After(50 * time.Millisecond)
				deadline, _ := ctx.Deadline()
				over = time.Since(deadline) > 40*time.Millisecond
			}
			stand(30 * time.Millisecond)
			if ctx.Err() != context.DeadlineExceeded {
				t.Errorf("%v, want the end of the limit", ctx.Err())
			}
			return holdfast.Result{Err: ctx.Err()}
		})})
	}
}
