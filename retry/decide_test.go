package retry_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/retry"
)

// The decision, and no other: told not to, refused, failed and repeatable.
func TestT19_OnlyWhatDoesNoHarmIsRepeated(t *testing.T) {
	const no, yes = 1, 2
	for _, c := range []struct {
		class      holdfast.Class
		after      time.Duration
		repeatable bool
		sends      int
		why        string
	}{
		{holdfast.Failure, 0, true, yes, ""},
		{holdfast.Failure, 0, false, no, "not repeatable"},
		{holdfast.Failure, time.Millisecond, true, yes, ""},
		{holdfast.Failure, -1, true, no, "told not to repeat"},
		{holdfast.Overload, 0, true, yes, ""},
		{holdfast.Overload, 0, false, no, "not repeatable"},
		{holdfast.Overload, -1, true, no, "told not to repeat"},
		{holdfast.Refused, 0, true, yes, ""},
		{holdfast.Refused, 0, false, yes, ""},
		{holdfast.Refused, -1, false, no, "told not to repeat"},
		{holdfast.Ignored, 0, true, no, "no failure of the server"},
		{holdfast.Ignored, -1, true, no, "no failure of the server"},
		{99, 0, true, no, "no failure of the server"},
	} {
		t.Run(fmt.Sprintf("%v After %v repeatable %v", c.class, c.after, c.repeatable), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &script{results: []holdfast.Result{status(c.class, "x", c.after), success()}}
				_, record := send(t.Context(), c.repeatable, s, retry.New(retry.Options{}))
				if len(s.sends) != c.sends || s.discards != c.sends-1 {
					t.Errorf("%d sends and %d discards, want %d sends", len(s.sends), s.discards, c.sends)
				}
				if got := record.Ledger().Stopped; got != c.why {
					t.Errorf("stopped because %q, want %q", got, c.why)
				}
			})
		})
	}
}

// T22: jitter never makes the wait shorter than the server asked.
func TestT22_JitterNeverUndercutsTheServersWish(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for range 300 {
			s := &script{results: []holdfast.Result{status(holdfast.Overload, "429", 3*time.Second), success()}}
			send(t.Context(), true, s, retry.New(retry.Options{}))
			if got := s.sends[1].Sub(s.sends[0]); got < 3*time.Second || got > 3300*time.Millisecond {
				t.Fatalf("waited %v, want the server's 3 s and at most a tenth on top", got)
			}
		}
	})
}

// T23: a wait that would pass the deadline is not begun; the last real result
// comes back at once. R8 is the same sentence.
func TestT23_AWaitThatPassesTheDeadlineIsNotBegun(t *testing.T) { waitMustFit(t) }
func TestR08_DeadlineFit(t *testing.T)                          { waitMustFit(t) }

func waitMustFit(t *testing.T) {
	for name, c := range map[string]struct {
		left  time.Duration
		after time.Duration
		takes time.Duration // of each attempt
		sends int
		why   string
	}{
		"server's wish":       {300 * time.Millisecond, time.Second, 0, 1, "300 ms left < 1 s wait"},
		"own wait":            {180 * time.Millisecond, 0, 0, 1, "180 ms left < 250 ms wait"},
		"no time to try":      {253 * time.Millisecond, 0, 0, 1, "253 ms left < 250 ms wait and 5 ms for the attempt"},
		"it fits":             {255 * time.Millisecond, 0, 0, 2, "255 ms left"}, // the second stop: no room any more
		"the wish just fits":  {1005 * time.Millisecond, time.Second, 0, 2, ""},
		"attempts take times": {400 * time.Millisecond, 0, 200 * time.Millisecond, 1, "200 ms left < 250 ms wait"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), c.left)
				defer cancel()
				start := time.Now()
				s := &script{results: []holdfast.Result{status(holdfast.Failure, "503", c.after)}, takes: c.takes}
				res, record := send(ctx, true, s, constant(retry.Options{Attempts: 2, Base: 250 * time.Millisecond, OverloadBase: 250 * time.Millisecond}))
				if res.Err != nil || res.Reply == nil || res.Code != "503" {
					t.Errorf("got %+v, want the 503 as it came", res)
				}
				if len(s.sends) != c.sends {
					t.Errorf("%d sends, want %d", len(s.sends), c.sends)
				}
				if c.sends > 1 {
					return
				}
				if took := time.Since(start); took != c.takes {
					t.Errorf("came back after %v, want at once", took)
				}
				if got := record.Ledger().Stopped; got != c.why {
					t.Errorf("stopped because %q, want %q", got, c.why)
				}
			})
		})
	}
}

// T24: too long a Retry-After stops the repeats, and says so.
func TestT24_TooLongAWishStopsAndSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, after := range []time.Duration{90 * time.Second, 1<<63 - 1} {
			start := time.Now()
			s := &script{results: []holdfast.Result{status(holdfast.Overload, "429", after)}}
			res, record := send(t.Context(), true, s, retry.New(retry.Options{}))
			if len(s.sends) != 1 || time.Since(start) != 0 || res.After != after || res.Reply == nil {
				t.Errorf("%d sends in %v, %+v; want the answer with its hint at once", len(s.sends), time.Since(start), res)
			}
			if why := record.Ledger().Stopped; !strings.Contains(why, "> 60 s cap") {
				t.Errorf("stopped because %q", why)
			}
		}
		s := &script{results: []holdfast.Result{status(holdfast.Overload, "429", 90*time.Second)}}
		_, record := send(t.Context(), true, s, retry.New(retry.Options{}))
		if got, want := record.Ledger().Stopped, "server asked for 90 s > 60 s cap"; got != want {
			t.Errorf("stopped because %q, want %q", got, want)
		}
	})
}

// T25: no wait after the last attempt.
func TestT25_NoWaitAfterTheLastAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		s := &script{results: []holdfast.Result{failure()}}
		res, _ := send(t.Context(), true, s, constant(retry.Options{Base: time.Second}))
		if took := time.Since(start); took != 2*time.Second || len(s.sends) != 3 {
			t.Errorf("%d sends in %v, want three with two waits of a second", len(s.sends), took)
		}
		var all *holdfast.AttemptsError
		if !errors.As(res.Err, &all) || !errors.Is(res.Err, errBoom) || errors.Unwrap(res.Err) != errBoom {
			t.Fatalf("error %v, want the last one with the ledger", res.Err)
		}
		if got := all.Ledger; len(got.Attempts) != 3 || got.Stopped != "3 attempts made" || got.Attempts[2].Number != 3 {
			t.Errorf("ledger %v", got)
		}
	})
}
