package holdfast_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/clock"
	"github.com/holdfast-go/holdfast/internal/pause"
)

// stood has this process stand still for the last d, as far as anybody can tell.
func stood(d time.Duration) {
	now := clock.Now()
	pause.Note(now-int64(d), now)
}

// ranOut makes an attempt that its limit ends, in a process that stood still for all of it
// but a part that the server had; the time itself is real and short.
func ranOut(h holdfast.Handler, target string, limit, had time.Duration) holdfast.Result {
	return h(context.Background(), &holdfast.Call{Target: target, Sender: senderFunc(func(ctx context.Context, call *holdfast.Call) holdfast.Result {
		ctx, cancel := context.WithTimeoutCause(ctx, limit, call.TimedOut(limit, "attempt"))
		defer cancel()
		call.Limit(limit)
		ctx = call.Context(ctx)
		<-ctx.Done()
		stood(call.Ran() - had)
		v := holdfast.VerdictOf(ctx, ctx.Err())
		return holdfast.Result{Err: ctx.Err(), Class: v.Class, Code: v.Code}
	})})
}

// The time during which this process provably did not run is not the server's.
func TestAPauseIsNotTheServersTime(t *testing.T) {
	h := holdfast.Chain()
	before, stoodBefore := holdfast.Pauses()
	if res := ranOut(h, "t", 60*time.Millisecond, 10*time.Millisecond); res.Class != holdfast.LocalPause || res.Code != holdfast.CodeTimeout {
		t.Errorf("stood still for most of the time: %v %s", res.Class, res.Code)
	}
	if after, stoodAfter := holdfast.Pauses(); after == before && stoodAfter-stoodBefore < 40*time.Millisecond {
		t.Errorf("%d pauses of %v became %d of %v", before, stoodBefore, after, stoodAfter)
	}
}

// A process that wakes has the work of the pause to do, so the time after it counts only once
// it is longer than the pause was.
func TestAfterAPauseAServerHasAsMuchTimeAgain(t *testing.T) {
	h := holdfast.Chain()
	for had, want := range map[time.Duration]holdfast.Class{110 * time.Millisecond: holdfast.LocalPause, 250 * time.Millisecond: holdfast.Failure} {
		res := h(context.Background(), &holdfast.Call{Target: "t", Sender: senderFunc(func(ctx context.Context, call *holdfast.Call) holdfast.Result {
			call.Limit(100 * time.Millisecond)
			<-time.After(300 * time.Millisecond)
			stood(call.Ran() - had)
			return holdfast.Result{Err: context.DeadlineExceeded, Class: call.OutOfTime(), Code: holdfast.CodeTimeout}
		})})
		if res.Class != want {
			t.Errorf("it had %v of 300 ms: %v", had, res.Class)
		}
	}
}

// A server that is silent altogether is not excused for ever: each attempt has too little of
// its time, all of them together have not. One that answers somebody is.
func TestAHangingServerIsNotExcusedForEver(t *testing.T) {
	h := holdfast.Chain()
	answer := func() {
		h(context.Background(), &holdfast.Call{Target: "t", Sender: senderFunc(func(context.Context, *holdfast.Call) holdfast.Result {
			return holdfast.Result{Err: errors.New("stands for an answer"), Class: holdfast.Success}
		})})
	}
	for range 12 { // 12 × 70 ms, of which 25 are its own
		if res := ranOut(h, "t", 70*time.Millisecond, 32*time.Millisecond); res.Class != holdfast.LocalPause {
			t.Fatalf("%v, though it answers in between", res.Class)
		}
		answer()
	}
	failed := 0
	for range 30 { // of which the first twenty make half a second
		if ranOut(h, "t", 70*time.Millisecond, 32*time.Millisecond).Class == holdfast.Failure {
			failed++
		}
	}
	if failed < 5 || failed > 15 {
		t.Errorf("%d of 30 attempts on a server that is silent are failures", failed)
	}
	answer()
	if res := ranOut(h, "t", 70*time.Millisecond, 32*time.Millisecond); res.Class != holdfast.LocalPause {
		t.Errorf("%v, though it has answered since", res.Class)
	}
	for range 40 { // next to nothing, each
		if res := ranOut(h, "other", 70*time.Millisecond, 10*time.Millisecond); res.Class != holdfast.LocalPause {
			t.Fatalf("%v after attempts that had no time", res.Class)
		}
	}
}

// An error that says of itself that it is a timeout, of the transport's own, is excused alike.
func TestATransportsOwnTimeoutIsExcused(t *testing.T) {
	for still, want := range map[time.Duration]holdfast.Class{0: holdfast.Failure, 40 * time.Millisecond: holdfast.LocalPause} {
		res := holdfast.Chain()(context.Background(), &holdfast.Call{Target: "t", Sender: senderFunc(func(ctx context.Context, call *holdfast.Call) holdfast.Result {
			ctx = call.Context(ctx)
			<-time.After(50 * time.Millisecond)
			if still > 0 {
				stood(still)
			}
			err := &holdfast.TimeoutError{Limit: time.Second} // stands for one of a transport
			return holdfast.Result{Err: err, Class: holdfast.VerdictOf(ctx, err).Class}
		})})
		if res.Class != want && still > 0 {
			t.Errorf("stood still for %v: %v", still, res.Class)
		}
	}
}
