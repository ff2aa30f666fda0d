package holdfast_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
)

func TestLedgerTellsEachAttemptAndWhyItStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		started := time.Now()
		call := &holdfast.Call{Sender: senderFunc(func(context.Context, *holdfast.Call) holdfast.Result {
			time.Sleep(12 * time.Millisecond)
			return holdfast.Result{Err: errors.New("x"), Class: holdfast.Failure, Code: "503"}
		})}
		var never *holdfast.Call
		holdfast.Chain(holdfast.PolicyFunc(func(next holdfast.Handler) holdfast.Handler {
			return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
				call.Pin("10.0.0.2:80")
				res := next(ctx, call)
				time.Sleep(time.Second)
				never = call.Again()
				never.Hedge = true
				return res
			}
		}))(t.Context(), call)
		r := call.Record
		// Logged late: the time until the Result is what counts, so the policy logs at once.
		r.Log(never, holdfast.Result{Class: holdfast.Ignored, Code: "breaker_open"})
		r.Stop("budget empty")
		l := r.Ledger()
		if got, want := l.String(), "2: breaker_open in 0s (hedge) @10.0.0.2:80; stopped: budget empty"; got != want {
			t.Errorf("got  %q\nwant %q", got, want)
		}
		if got := l.Attempts[0].Start; !got.Equal(started.Add(time.Second + 12*time.Millisecond)) {
			t.Errorf("an attempt that was never sent started at %v", got)
		}
	})
}

func TestLedgerTimesAnAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		started := time.Now()
		var r holdfast.Record
		call := &holdfast.Call{Record: &r, Sender: senderFunc(func(context.Context, *holdfast.Call) holdfast.Result {
			time.Sleep(12 * time.Millisecond)
			return holdfast.Result{Err: errors.New("x"), Class: holdfast.Failure, Code: "503"}
		})}
		r.Log(call, holdfast.Chain()(t.Context(), call))
		want := holdfast.Attempt{Number: 1, Start: started, Took: 12 * time.Millisecond, Class: holdfast.Failure, Code: "503"}
		got := r.Ledger().Attempts[0]
		if !got.Start.Equal(want.Start) {
			t.Errorf("started %v, want %v", got.Start, want.Start)
		}
		if got.Start = want.Start; got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
		if got, want := r.Ledger().String(), "1: 503 in 12ms"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

func TestLedgerIsBounded(t *testing.T) {
	first := &holdfast.Call{Record: new(holdfast.Record), Attempt: 1}
	r := first.Record
	r.Log(first, holdfast.Result{})
	for range 10_000 {
		r.Log(first.Again(), holdfast.Result{})
	}
	l := r.Ledger()
	if len(l.Attempts) != 32 || l.Omitted != 10_001-32 {
		t.Fatalf("%d kept and %d left out, want 32 and the rest", len(l.Attempts), l.Omitted)
	}
	if l.Attempts[0].Number != 1 || l.Attempts[15].Number != 16 || l.Attempts[31].Number != 10_001 {
		t.Errorf("kept %v … %v, want the first half and the latest", l.Attempts[0].Number, l.Attempts[31].Number)
	}
	if !strings.Contains(l.String(), "left out") {
		t.Error("a shortened ledger does not say so")
	}
}

func TestLedgerIsFoundThroughAContext(t *testing.T) {
	if l := holdfast.LedgerOf(t.Context()); len(l.Attempts) != 0 || l.Stopped != "" || l.String() != "" {
		t.Errorf("a bare context has the ledger %v", l)
	}
	var r holdfast.Record
	r.Stop("not repeatable")
	ctx := holdfast.WithLedger(t.Context(), &r)
	if got := holdfast.LedgerOf(ctx).String(); got != "stopped: not repeatable" {
		t.Errorf("got %q", got)
	}
	if holdfast.CallFrom(ctx) != nil {
		t.Error("a ledger looks like a call under way: a call made with it would not be retried")
	}
}

func TestLedgerIsRaceFree(t *testing.T) {
	first := &holdfast.Call{Record: new(holdfast.Record), Attempt: 1}
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			again := first.Again()
			again.SendTo(fmt.Sprint(again.Attempt))
			first.Record.Log(again, holdfast.Result{})
			first.Record.Stop("x")
			_ = first.Record.Ledger().String()
			first.Limit(time.Duration(again.Attempt))
		})
	}
	wg.Wait()
	if n := len(first.Record.Ledger().Attempts); n != 16 {
		t.Errorf("%d attempts, want 16", n)
	}
}

func TestAttemptsErrorUnwrapsToTheLastError(t *testing.T) {
	timeout := &holdfast.TimeoutError{Limit: time.Second, Scope: "attempt"}
	err := &holdfast.AttemptsError{Err: timeout, Ledger: holdfast.Ledger{
		Attempts: []holdfast.Attempt{{Number: 1, Code: "503"}, {Number: 2, Code: "timeout"}}, Stopped: "2 attempts made",
	}}
	if errors.Unwrap(err) != error(timeout) || !err.Timeout() {
		t.Error("the last error is not reachable")
	}
	if (&holdfast.AttemptsError{Err: errors.New("x")}).Timeout() {
		t.Error("an error that is none reads as a timeout")
	}
	want := "holdfast: attempt timed out after 1s (attempts: 1: 503 in 0s; 2: timeout in 0s; stopped: 2 attempts made)"
	if got := err.Error(); got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

// An attempt is entered once, in the place of its number, by whoever logs it first; of more than a
// ledger holds the first half and the latest stay.
func TestLedgerHasEachAttemptOnceAndInOrder(t *testing.T) {
	first := &holdfast.Call{Record: new(holdfast.Record), Attempt: 1}
	calls := []*holdfast.Call{first}
	for range 40 {
		calls = append(calls, first.Again())
	}
	numbers := func() (n []int) {
		for _, a := range first.Record.Ledger().Attempts {
			n = append(n, a.Number)
		}
		return n
	}
	for _, i := range []int{2, 0, 1} {
		first.Record.Log(calls[i], holdfast.Result{Code: "own"})
		first.Record.Log(calls[i], holdfast.Result{Code: "of another attempt"})
	}
	if got := numbers(); !slices.Equal(got, []int{1, 2, 3}) || first.Record.Ledger().Attempts[0].Code != "own" {
		t.Fatalf("%v, %v", got, first.Record.Ledger())
	}
	for i := len(calls) - 1; i > 2; i-- { // the latest first
		first.Record.Log(calls[i], holdfast.Result{})
	}
	got := numbers()
	if len(got) != 32 || first.Record.Ledger().Omitted != len(calls)-32 || !slices.IsSorted(got) || got[15] != 16 || got[16] != 26 || got[31] != 41 {
		t.Errorf("%v, and %d left out", got, first.Record.Ledger().Omitted)
	}
}
