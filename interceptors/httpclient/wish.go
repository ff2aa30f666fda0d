package httpclient

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// A wish is what the headers of a response say about repeating the request.
type wish struct {
	after  time.Duration // wait as long at least; 0: it does not say
	never  bool          // do not repeat
	repeat bool          // a repeat is welcome, whatever the status
}

func wishOf(resp *http.Response) (w wish) {
	h := resp.Header
	if len(h) == 0 || resp.StatusCode < 400 {
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
	after, ok := retryAfter(h.Get("Retry-After"), time.Now())
	if !ok { // Retry-After takes precedence
		after, _ = rateLimit(h.Values("Ratelimit"))
	}
	w.after = after
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
// date in any of HTTP's forms, which is compared with our own clock. A time past
// is no wait. It reports whether the header was there and made sense.
func retryAfter(value string, now time.Time) (time.Duration, bool) {
	value = strings.TrimSpace(value)
	if value == "" {
		return 0, false
	}
	if digits(value) {
		n, err := strconv.ParseUint(value, 10, 64)
		if err != nil {
			n = math.MaxUint64 // more than fits
		}
		return seconds(n), true
	}
	when, err := http.ParseTime(value)
	if err != nil {
		return 0, false
	}
	return min(max(when.Sub(now), 0), forever), true
}

// rateLimit reads RateLimit headers (draft-ietf-httpapi-ratelimit-headers):
// `"name";r=0;t=30` says that nothing remains for thirty seconds. Of several
// quotas that are used up the longest counts; what is malformed is ignored.
func rateLimit(values []string) (after time.Duration, ok bool) {
	for _, value := range values {
		for item := range strings.SplitSeq(value, ",") {
			remaining, wait := uint64(1), uint64(0)
			for param := range strings.SplitSeq(item, ";") {
				name, number, _ := strings.Cut(strings.TrimSpace(param), "=")
				if !digits(number) {
					continue
				}
				n, err := strconv.ParseUint(number, 10, 64)
				if err != nil {
					n = math.MaxUint64
				}
				switch name {
				case "r":
					remaining = n
				case "t":
					wait = n
				}
			}
			if remaining == 0 && wait > 0 {
				after, ok = max(after, seconds(wait)), true
			}
		}
	}
	return after, ok
}

func digits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}
