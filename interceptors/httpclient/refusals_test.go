package httpclient

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/alloctest"
)

// How long a server asks to be left alone, by what it says beside Retry-After: of the two
// in milliseconds the first that makes sense, before Retry-After; X-RateLimit-Reset last,
// on refusals alone, and of an hour at most.
func TestWhenToComeBack(t *testing.T) {
	const date = "Date: Mon, 01 Jun 2026 12:00:00 GMT" // 1780315200
	for _, c := range []struct {
		status int
		header string
		class  holdfast.Class
		after  time.Duration
	}{
		{429, "Retry-After-Ms: 250", holdfast.Overload, 250 * time.Millisecond},
		{429, "Retry-After-Ms: 0.5", holdfast.Overload, 500 * time.Microsecond},
		{429, "Retry-After-Ms: 250|Retry-After: 9", holdfast.Overload, 250 * time.Millisecond},
		{429, "X-Ms-Retry-After-Ms: 40|Retry-After: 9", holdfast.Overload, 40 * time.Millisecond},
		{429, "Retry-After-Ms: soon|X-Ms-Retry-After-Ms: 40", holdfast.Overload, 40 * time.Millisecond},
		{429, "Retry-After-Ms: -1|Retry-After: 9", holdfast.Overload, 9 * time.Second},
		{429, "Retry-After-Ms: NaN|Retry-After: 9", holdfast.Overload, 9 * time.Second},
		{429, "Retry-After-Ms: Inf|Retry-After: 9", holdfast.Overload, 9 * time.Second},
		{429, "Retry-After-Ms: 1e3|Retry-After: 9", holdfast.Overload, 9 * time.Second},
		{429, "Retry-After-Ms: 99999999999999999999999999", holdfast.Overload, forever},
		{503, "Retry-After-Ms: 250", holdfast.Overload, 250 * time.Millisecond},
		{502, "Retry-After-Ms: 250", holdfast.Failure, 250 * time.Millisecond},
		{200, "Retry-After-Ms: 250", holdfast.Success, 0},
		{421, "Retry-After: 2", holdfast.Conflict, 2 * time.Second},
		{425, "Retry-After-Ms: 5", holdfast.Conflict, 5 * time.Millisecond},

		{429, "X-RateLimit-Reset: 30", holdfast.Overload, 30 * time.Second},
		{429, "X-RateLimit-Reset: 1.5", holdfast.Overload, 1500 * time.Millisecond},
		{429, "X-RateLimit-Reset: 1780315245|" + date, holdfast.Overload, 45 * time.Second},
		{429, "X-RateLimit-Reset: 1780315245.25|" + date, holdfast.Overload, 45250 * time.Millisecond},
		{429, "X-RateLimit-Reset: 1780315245000|" + date, holdfast.Overload, 45 * time.Second},
		{429, "X-RateLimit-Reset: 946684860", holdfast.Overload, time.Hour}, // no time since 1970 in any year that counts
		{429, "X-RateLimit-Reset: 1780315100|" + date, holdfast.Overload, 0},
		{429, "X-RateLimit-Reset: 7200", holdfast.Overload, time.Hour},
		{429, "X-RateLimit-Reset: 1790315245|" + date, holdfast.Overload, time.Hour},
		{429, "X-RateLimit-Reset: 99999999999999999999|" + date, holdfast.Overload, time.Hour},
		{429, "X-RateLimit-Reset: -5", holdfast.Overload, 0},
		{429, "X-RateLimit-Reset: soon", holdfast.Overload, 0},
		{429, "X-RateLimit-Reset: .", holdfast.Overload, 0},
		{429, "X-RateLimit-Reset: 1.2.3", holdfast.Overload, 0},
		{429, "X-RateLimit-Reset: 30|Retry-After: 2", holdfast.Overload, 2 * time.Second},
		{429, "X-RateLimit-Reset: 30|X-RateLimit-Remaining: 0", holdfast.Overload, 30 * time.Second},
		{429, "X-RateLimit-Reset: 30|X-RateLimit-Remaining: 7", holdfast.Overload, 0},
		{429, "X-RateLimit-Reset: 30|X-Should-Retry: false", holdfast.Overload, holdfast.Never},
		{503, "X-RateLimit-Reset: 30", holdfast.Overload, 30 * time.Second},
		{429, "X-RateLimit-Reset: 30|Retry-After: 0", holdfast.Overload, 0},
		{502, "X-RateLimit-Reset: 30", holdfast.Failure, 0},
		{200, "X-RateLimit-Reset: 30", holdfast.Success, 0},
		{403, "X-RateLimit-Reset: 30", holdfast.Success, 0},
	} {
		h := http.Header{}
		for line := range strings.SplitSeq(c.header, "|") {
			name, value, _ := strings.Cut(line, ": ")
			h.Add(name, value)
		}
		x := &exchange{door: new(door), req: new(http.Request)}
		x.first.life.Context = t.Context()
		res := x.answered(&x.first, &x.call, new(sending), &http.Response{StatusCode: c.status, Header: h})
		if res.Class != c.class || res.After != c.after {
			t.Errorf("%d %s: %v after %v, want %v after %v", c.status, c.header, res.Class, res.After, c.class, c.after)
		}
	}
	synctest.Test(t, func(t *testing.T) { // without a Date our own clock counts, which says 2000 here
		h := http.Header{}
		h.Set("X-RateLimit-Reset", "946684860")
		if got := resetOf(&http.Response{Header: h}); got != time.Hour { // 60 s later, but too small a number
			t.Errorf("%v", got)
		}
		time.Sleep(time.Until(time.Unix(1_780_315_200, 0)))
		h.Set("X-RateLimit-Reset", "1780315245")
		if got := resetOf(&http.Response{Header: h}); got != 45*time.Second {
			t.Errorf("%v", got)
		}
	})
}

// Whatever a server writes, a wait is none below zero and none beyond what can be added
// to a time; and X-RateLimit-Reset is an hour at most.
func FuzzWhenToComeBack(f *testing.F) {
	for _, s := range []string{"", "0", "1.5", "250", "1780315245", "1780315245000", "18446744073709551616", ".", "1e309", "-1", "NaN", "0x10", "1_000", " 7 ", "٣"} {
		f.Add(s, "Mon, 01 Jun 2026 12:00:00 GMT", "0")
	}
	f.Fuzz(func(t *testing.T, value, date, left string) {
		h := http.Header{"Retry-After-Ms": {value}, "X-Ratelimit-Reset": {value}, "X-Ratelimit-Remaining": {left}, "Date": {date}}
		var after, reset time.Duration
		var ok bool
		alloctest.Within(t, 16<<10+32*(len(value)+len(date)+len(left)), func() {
			after, ok = inMilliseconds(h)
			reset = resetOf(&http.Response{Header: h})
		})
		if after < 0 || after > forever || !ok && after != 0 {
			t.Errorf("%q ms is %v, %v", value, after, ok)
		}
		if reset < 0 || reset > longestReset {
			t.Errorf("%q is %v", value, reset)
		}
	})
}
