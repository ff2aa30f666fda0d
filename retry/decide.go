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
)

// A reason says why a call is not repeated: in one word, and for people. The zero
// reason is none.
type reason struct{ word, text string }

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
	if len(r.codes) > 0 && res.Class != holdfast.Ignored && res.Class != holdfast.Refused {
		switch {
		case res.After == holdfast.Never:
			return reason{"told", "told not to repeat"}
		case !slices.Contains(r.codes, res.Code):
			return reason{"code", "not one of Codes"}
		case !call.Repeatable:
			return reason{"not_repeatable", "not repeatable"}
		}
		return reason{}
	}
	switch {
	case res.After < 0 && res.Class != holdfast.Ignored:
		return reason{"told", "told not to repeat"}
	case res.Class == holdfast.Refused:
		return reason{}
	case res.Class == holdfast.Ignored && res.Code != "":
		return reason{res.Code, strings.ReplaceAll(res.Code, "_", " ")} // "circuit open", "limited", "cancelled"
	case res.Class != holdfast.Failure && res.Class != holdfast.Overload:
		return reason{"class", "no failure of the server"}
	case !call.Repeatable:
		return reason{"not_repeatable", "not repeatable"}
	}
	return reason{}
}

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
		return min(wait, day), wait >= 0
	}
	of, base := &w.failure, w.of.base
	if class == holdfast.Overload {
		of, base = &w.overload, w.of.overload
	}
	if *of == nil {
		*of = schedule(base, w.of.cap, w.of.jitter)
	}
	wait = (*of).NextBackOff()
	return min(wait, w.of.cap), wait >= 0
}

// An endedError is what a wait that the context cut short returns: it is the
// context's error, its cause, and the last attempt's error too.
type endedError struct{ last, err, cause error }

func (e *endedError) Error() string {
	if e.last == nil {
		return fmt.Sprintf("%v while waiting to repeat", e.cause)
	}
	return fmt.Sprintf("%v while waiting to repeat; the last attempt: %v", e.cause, e.last)
}

func (e *endedError) Unwrap() []error {
	if e.last == nil {
		return []error{e.err, e.cause}
	}
	return []error{e.err, e.cause, e.last}
}

// Timeout reports whether it was a deadline that ended the wait.
func (e *endedError) Timeout() bool { return e.err == context.DeadlineExceeded }
