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
		{holdfast.Failure, -1, true, no, "not repeated unless asked for: x"},
		{holdfast.Failure, holdfast.Never, true, no, "told not to repeat"},
		{holdfast.Overload, 0, true, yes, ""},
		{holdfast.Overload, 0, false, no, "not repeatable"},
		{holdfast.Overload, -1, true, no, "not repeated unless asked for: x"},
		{holdfast.Overload, holdfast.Never, true, no, "told not to repeat"},
		{holdfast.Refused, 0, true, yes, ""},
		{holdfast.Refused, 0, false, yes, ""},
		{holdfast.Refused, -1, false, no, "not repeated: x"},
		{holdfast.Refused, holdfast.Never, false, no, "told not to repeat"},
		{holdfast.Conflict, 0, false, yes, ""},
		{holdfast.Relayed, 0, true, yes, ""},
		{holdfast.Relayed, 0, false, no, "not repeatable"},
		{holdfast.LocalShortage, 0, false, yes, ""},
		{holdfast.LocalPause, 0, true, yes, ""},
		{holdfast.LocalPause, 0, false, no, "not repeatable"},
		{holdfast.LocalFault, 0, true, no, "x"},
		{holdfast.Ignored, 0, true, no, "x"},
		{holdfast.Ignored, -1, true, no, "x"},
		{99, 0, true, no, "x"},
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
				res, record := send(ctx, true, s, constant(retry.Options{MaxAttempts: 2, InitialInterval: 250 * time.Millisecond, OverloadInterval: 250 * time.Millisecond}))
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

// T28: no attempt starts with less than the floor left, and what jitter adds to
// the server's wish gives way to it.
func TestT28_NoAttemptStartsWithLessThanTheFloor(t *testing.T) {
	for name, c := range map[string]struct {
		left, floor time.Duration
		sends       int
	}{
		"as much as the default":     {time.Second + 5*time.Millisecond, 0, 2},
		"a little less":              {time.Second + 5*time.Millisecond - 1, 0, 1},
		"as much as was set":         {1100 * time.Millisecond, 100 * time.Millisecond, 2},
		"a little less than was set": {1100*time.Millisecond - 1, 100 * time.Millisecond, 1},
		"no floor":                   {time.Second + 1, -1, 2},
		"no floor, and no time":      {time.Second, -1, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				floor := max(c.floor, 0)
				if c.floor == 0 {
					floor = 5 * time.Millisecond
				}
				for range 20 {
					deadline := time.Now().Add(c.left)
					ctx, cancel := context.WithDeadline(t.Context(), deadline)
					s := &script{results: []holdfast.Result{status(holdfast.Failure, "503", time.Second), success()}}
					res, _ := send(ctx, true, s, retry.New(retry.Options{MinAttempt: c.floor}))
					cancel()
					if res.Reply == nil {
						t.Fatalf("%v, want an answer", res.Err)
					}
					if len(s.sends) != c.sends {
						t.Fatalf("%d sends, want %d", len(s.sends), c.sends)
					}
					if left := deadline.Sub(s.sends[len(s.sends)-1]); left < floor {
						t.Fatalf("an attempt has %v left, want %v", left, floor)
					}
				}
			})
		})
	}
}

// R10: the server's signals win over whatever is set.
func TestR10_TheServersSignalsWin(t *testing.T) {
	for name, c := range map[string]struct {
		class holdfast.Class
		after time.Duration
		sends int
		least time.Duration
	}{
		"a no":                        {holdfast.Failure, -1, 1, 0},
		"a no though it was refused":  {holdfast.Refused, -1, 1, 0},
		"a hint under the schedule":   {holdfast.Overload, time.Millisecond, 2, time.Second},
		"a hint over the schedule":    {holdfast.Failure, 10 * time.Second, 2, 10 * time.Second},
		"a hint of one refused":       {holdfast.Refused, 10 * time.Second, 2, 10 * time.Second},
		"a hint as long as can be":    {holdfast.Overload, time.Minute, 2, time.Minute},
		"a hint that is over the cap": {holdfast.Overload, time.Minute + 1, 1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				s := &script{results: []holdfast.Result{status(c.class, "x", c.after), success()}}
				send(t.Context(), true, s, constant(retry.Options{MaxAttempts: 2}))
				took, most := time.Since(start), c.least+min(c.least/10, time.Second)
				if len(s.sends) != c.sends || took < c.least || took > most {
					t.Errorf("%d sends in %v, want %d in %v to %v", len(s.sends), took, c.sends, c.least, most)
				}
			})
		})
	}
}

// R12: what is not Repeatable, and may have run, is sent once, also where there
// is nothing but an error to tell by, as after a timeout.
func TestR12_WhatMayHaveRunIsSentOnce(t *testing.T) {
	timedOut := holdfast.Result{Err: context.DeadlineExceeded, Class: holdfast.Failure, Code: "timeout"}
	unsent := holdfast.Result{Err: errBoom, Class: holdfast.Refused, Code: "dial"}
	for name, c := range map[string]struct {
		results []holdfast.Result
		sends   int
	}{
		"timed out":              {[]holdfast.Result{timedOut}, 1},
		"answered 503":           {[]holdfast.Result{status(holdfast.Failure, "503", 0)}, 1},
		"asked to come later":    {[]holdfast.Result{status(holdfast.Overload, "429", time.Second)}, 1},
		"not sent, then timeout": {[]holdfast.Result{unsent, timedOut}, 2},
		"never sent":             {[]holdfast.Result{unsent}, 3},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &script{results: c.results}
				send(t.Context(), false, s, retry.New(retry.Options{}))
				if len(s.sends) != c.sends {
					t.Errorf("%d sends, want %d", len(s.sends), c.sends)
				}
			})
		})
	}
}

// T25: no wait after the last attempt.
func TestT25_NoWaitAfterTheLastAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		s := &script{results: []holdfast.Result{failure()}}
		res, _ := send(t.Context(), true, s, constant(retry.Options{InitialInterval: time.Second}))
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
