package httpclient

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// A wish is what the headers of a response say about repeating the request.
// Stripe-Should-Retry and X-Should-Retry say it outright: false forbids, true
// makes a status of 500 and above repeatable. Envoy's X-Envoy-Ratelimited and
// X-Envoy-Overloaded forbid, whatever their value.
type wish struct {
	after  time.Duration // wait as long at least; 0: it does not say
	never  bool          // do not repeat
	repeat bool          // a repeat is welcome, whatever the status
	said   bool          // it says when
}

func wishOf(resp *http.Response) (w wish) {
	h := resp.Header
	if len(h) == 0 {
		return w
	}
	for _, name := range []string{"X-Should-Retry", "Stripe-Should-Retry"} {
		switch h.Get(name) {
		case "false":
			w.never = true
		case "true":
			w.repeat = true
		}
	}
	if h["X-Envoy-Ratelimited"] != nil || h["X-Envoy-Overloaded"] != nil {
		w.never = true
	}
	after, ok := inMilliseconds(h)
	if !ok {
		after, ok = retryAfter(h.Get("Retry-After"), h.Get("Date"))
	}
	if !ok { // Retry-After takes precedence
		after, ok = rateLimit(h.Values("Ratelimit"))
	}
	if !ok && (resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode == http.StatusServiceUnavailable) {
		after = resetOf(resp)
	}
	w.after, w.said = after, ok
	return w
}

// forever is what a wait beyond counting is taken for: whoever has a cap refuses
// it, and no sum with a time overflows.
const forever = time.Duration(math.MaxInt64 / 2)

// seconds makes a duration of a number of seconds.
func seconds(n uint64) time.Duration {
	if n > uint64(forever/time.Second) {
		return forever
	}
	return time.Duration(n) * time.Second
}

// retryAfter reads a Retry-After header (RFC 9110 section 10.2.3): seconds, or a
// date in any of HTTP's forms, which is compared with the date of the response,
// so that clocks which differ do no harm, or else with our own clock. A time past
// is no wait. It reports whether the header was there and made sense.
func retryAfter(value, date string) (time.Duration, bool) {
	value = strings.TrimSpace(value)
	if digits(value) {
		return seconds(number(value)), true
	}
	when, err := http.ParseTime(value)
	if err != nil {
		return 0, false
	}
	now, err := http.ParseTime(date)
	if err != nil {
		now = time.Now()
	}
	return min(max(when.Sub(now), 0), forever), true
}

// rateLimit reads RateLimit headers (draft-ietf-httpapi-ratelimit-headers):
// `"name";r=0;t=30` says that nothing remains for thirty seconds. Of several
// quotas that are used up the longest counts; what is malformed is ignored.
func rateLimit(values []string) (after time.Duration, ok bool) {
	for _, value := range values {
		for item := range strings.SplitSeq(withoutStrings(value), ",") {
			remaining, wait := uint64(1), uint64(0)
			for param := range strings.SplitSeq(item, ";") {
				name, value, _ := strings.Cut(strings.TrimSpace(param), "=")
				switch {
				case !digits(value):
				case name == "r":
					remaining = number(value)
				case name == "t":
					wait = number(value)
				}
			}
			if remaining == 0 && wait > 0 {
				after, ok = max(after, seconds(wait)), true
			}
		}
	}
	return after, ok
}

// withoutStrings cuts the quoted strings (RFC 8941 section 3.3.3) out of a
// structured field, since a name may have anything in it. It returns "" when one
// does not end.
func withoutStrings(field string) string {
	var b strings.Builder
	quoted := false
	for i := 0; i < len(field); i++ {
		switch c := field[i]; {
		case c == '"':
			quoted = !quoted
		case quoted && c == '\\':
			i++
		case !quoted:
			b.WriteByte(c)
		}
	}
	if quoted {
		return ""
	}
	return b.String()
}

// number reads digits, of which there may be too many.
func number(digits string) uint64 {
	n, err := strconv.ParseUint(digits, 10, 64)
	if err != nil {
		return math.MaxUint64
	}
	return n
}

func digits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// inMilliseconds reads Retry-After-Ms and X-Ms-Retry-After-Ms, which several services
// send beside a Retry-After that is coarser.
func inMilliseconds(h http.Header) (time.Duration, bool) {
	for _, name := range []string{"Retry-After-Ms", "X-Ms-Retry-After-Ms"} {
		ms, ok := decimal(h.Get(name))
		switch {
		case !ok:
		case ms >= float64(forever/time.Millisecond):
			return forever, true
		default:
			return time.Duration(ms * float64(time.Millisecond)), true
		}
	}
	return 0, false
}

// longestReset bounds what X-RateLimit-Reset is read as.
const longestReset = time.Hour

// resetOf reads X-RateLimit-Reset of a refusal that says nothing else of when to come
// back: seconds since 1970 by the clock of the answer's Date, or seconds from now; a
// number beyond the year 33658 is of milliseconds. It says nothing where
// X-RateLimit-Remaining says that there is something left.
func resetOf(resp *http.Response) time.Duration {
	h := resp.Header
	if left, ok := decimal(h.Get("X-Ratelimit-Remaining")); ok && left > 0 {
		return 0
	}
	n, ok := decimal(h.Get("X-Ratelimit-Reset"))
	if !ok {
		return 0
	}
	if n >= 1e12 {
		n /= 1000
	}
	if n >= 1e9 { // since 1970
		now, err := http.ParseTime(h.Get("Date"))
		if err != nil {
			now = time.Now()
		}
		n -= float64(now.UnixMilli()) / 1000
	}
	return time.Duration(min(max(n, 0), longestReset.Seconds()) * float64(time.Second))
}

// decimal reads digits, with a fraction or without.
func decimal(s string) (float64, bool) {
	s = strings.TrimSpace(s)
	whole, fraction, _ := strings.Cut(s, ".")
	if !digits(whole + fraction) {
		return 0, false
	}
	n, err := strconv.ParseFloat(s, 64)
	return n, err == nil
}
