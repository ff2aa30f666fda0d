package retry

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/option"
)

// A reason says why a call is not repeated: in one word, and for people. The zero
// reason is none.
type reason struct{ word, detail string }

// decide says how long to wait before another attempt, or why there is none. It
// spends nothing.
func (r *Retry) decide(ctx context.Context, call *holdfast.Call, res holdfast.Result, made int, waits *waits) (wait time.Duration, why reason) {
	if why := r.mayRepeat(call, res); why.word != "" {
		return 0, why
	}
	if ctx.Err() != nil {
		return 0, reason{"ended", "the call's context has ended"}
	}
	if made >= r.attempts {
		return 0, reason{"attempts", attemptsMade(made)}
	}
	if why, ok := call.Replayable(); !ok {
		return 0, reason{"body", why}
	}
	if why, ok := call.MayRepeat(ctx); !ok {
		return 0, reason{"layer", why}
	}
	if res.After > r.maxAfter {
		return 0, reason{"after", fmt.Sprintf("server asked for %s > %s cap", brief(res.After), brief(r.maxAfter))}
	}
	wait, ok := waits.next(res.Class)
	if !ok {
		return 0, reason{"schedule", "the schedule ended"}
	}
	least := wait
	if res.After > 0 && wait < res.After {
		// Not sooner than the server asked, and not all clients at once.
		least = res.After
		wait = res.After + rand.N(min(res.After/10, time.Second)+1)
	}
	if deadline, ok := ctx.Deadline(); ok {
		left := time.Until(deadline)
		room := left - least - r.minAttempt
		if room < 0 || left <= least {
			return 0, reason{"deadline", tooLate(left, least, r.minAttempt)}
		}
		wait = min(wait, least+room/2) // what jitter adds takes no more than half of it
	}
	return wait, reason{}
}

// succeeded reports whether the call is done: a verdict of success, unless Codes
// says otherwise.
func (r *Retry) succeeded(res holdfast.Result) bool {
	return res.Class == holdfast.Success && !slices.Contains(r.codes, res.Code)
}

// mayRepeat is the whole of what an outcome itself says.
func (r *Retry) mayRepeat(call *holdfast.Call, res holdfast.Result) (why reason) {
	class, named := res.Class, len(r.codes) > 0 && slices.Contains(r.codes, res.Code)
	if res.After == holdfast.Never && class.Server() != holdfast.Unknown {
		return reason{"told", "told not to repeat"}
	}
	switch {
	case class.Again(false): // harmless, whatever the call is
		if res.After < 0 && !named {
			return reason{"caution", "not repeated: " + plain(res.Code)}
		}
		return reason{}
	case class.Server() == holdfast.Unknown && !class.Again(true):
		if res.Code == "" {
			return reason{"class", "no failure of the server"}
		}
		return reason{strings.ToLower(string(res.Code)), plain(res.Code)} // "circuit open", "limited", "cancelled", which gRPC writes in capitals
	case len(r.codes) > 0 && !named && class.Server() != holdfast.Unknown:
		return reason{"code", "not one of Codes"}
	case !named && !class.Again(true):
		return reason{"class", "no failure of the server"}
	case !named && res.After < 0:
		return reason{"caution", "not repeated unless asked for: " + plain(res.Code)}
	case !call.Repeatable:
		return reason{"not_repeatable", "not repeatable"}
	}
	return reason{}
}

// plain writes a Code for people.
func plain(code holdfast.Code) string { return strings.ReplaceAll(string(code), "_", " ") }

func attemptsMade(n int) string {
	if n == 1 {
		return "1 attempt made"
	}
	return fmt.Sprintf("%d attempts made", n)
}

func tooLate(left, wait, attempt time.Duration) string {
	switch {
	case left < wait:
		return fmt.Sprintf("%s left < %s wait", brief(left), brief(wait))
	case attempt == 0:
		return brief(left) + " left, all of it for the wait"
	}
	return fmt.Sprintf("%s left < %s wait and %s for the attempt", brief(left), brief(wait), brief(attempt))
}

// brief writes a duration for people: "180 ms", "1.5 s".
func brief(d time.Duration) string {
	switch {
	case d < 10*time.Millisecond:
		return fmt.Sprintf("%.3g ms", max(d, 0).Seconds()*1000)
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < 10*time.Second:
		return fmt.Sprintf("%.3g s", d.Seconds())
	}
	return fmt.Sprintf("%d s", int64(d.Seconds()))
}

// waits are the schedules of one call, made when they are needed: one for
// failures and refusals and one for overload, or the user's one for both.
type waits struct {
	of                *Retry
	failure, overload backoff.BackOff
}

func (w *waits) next(class holdfast.Class) (wait time.Duration, ok bool) {
	if w.of.backoff != nil {
		if w.failure == nil {
			w.failure = w.of.backoff()
		}
		if w.failure == nil {
			return 0, false
		}
		wait = w.failure.NextBackOff()
		return min(wait, option.Day), wait >= 0
	}
	of, base := &w.failure, w.of.base
	if class.Server() == holdfast.Overloaded {
		of, base = &w.overload, w.of.overload
	}
	if *of == nil {
		*of = schedule(base, w.of.cap, w.of.jitter)
	}
	wait = (*of).NextBackOff()
	return min(wait, w.of.cap), wait >= 0
}

// An endedError is what a call returns whose context ended while an attempt was failing
// or a wait was on: it is the context's error, its cause, and the last attempt's error
// too.
type endedError struct {
	last, err, cause error
	waiting          bool
}

func (e *endedError) Error() string {
	during := ""
	if e.waiting {
		during = " while waiting to repeat"
	}
	if e.last == nil {
		return fmt.Sprintf("%v%s", e.cause, during)
	}
	return fmt.Sprintf("%v%s; the last attempt: %v", e.cause, during, e.last)
}

func (e *endedError) Unwrap() []error {
	if e.last == nil {
		return []error{e.err, e.cause}
	}
	return []error{e.err, e.cause, e.last}
}

// Timeout reports whether it was a deadline that ended the wait.
func (e *endedError) Timeout() bool { return e.err == context.DeadlineExceeded }

// Temporary is what net.Error asks for.
func (e *endedError) Temporary() bool { return e.Timeout() }
