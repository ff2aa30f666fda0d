package httpclient

import (
	"math"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/alloctest"
)

// T21: Retry-After works as seconds and as every form of an HTTP date, and no
// value makes a long sleep: what is beyond counting is longer than any cap.
func TestT21_RetryAfterInEveryForm(t *testing.T) {
	now := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	later := now.Add(90 * time.Second)
	for value, want := range map[string]time.Duration{
		"0":                           0,
		"120":                         120 * time.Second,
		" 7 ":                         7 * time.Second,
		later.Format(http.TimeFormat): 90 * time.Second,
		later.Format(time.RFC850):     90 * time.Second,
		later.Format(time.ANSIC):      90 * time.Second,
		now.Add(-time.Hour).Format(http.TimeFormat): 0,
		"1743465600":                    1743465600 * time.Second, // an epoch time in the place of seconds: refused by any cap
		"1000000000000000000":           forever,
		"99999999999999999999999999":    forever,
		"Fri, 31 Dec 9999 23:59:59 GMT": forever,
	} {
		if got, ok := retryAfter(value, now.Format(http.TimeFormat)); !ok || got != want {
			t.Errorf("Retry-After: %s is %v, %v; want %v", value, got, ok, want)
		}
	}
	for _, value := range []string{"", "-1", "+1", "1.5", "1e9", "soon", "0x10", "12 s", "Mon, 32 Jun 2026 12:00:00 GMT"} {
		if got, ok := retryAfter(value, now.Format(http.TimeFormat)); ok || got != 0 {
			t.Errorf("Retry-After: %s is %v, want to be ignored", value, got)
		}
	}
}

func TestRateLimitSaysWhenNothingRemains(t *testing.T) {
	for value, want := range map[string]time.Duration{
		`"default";r=0;t=30`:                       30 * time.Second,
		`default;r=0;t=30`:                         30 * time.Second,
		`"a";r=0;t=3, "b";r=0;t=60, "c";r=9;t=600`: 60 * time.Second,
		`"a" ; r=0 ; t=5`:                          5 * time.Second,
		`"a";r=0;t=99999999999999999999999`:        forever,
		`"default";r=5;t=30`:                       0,
		`"default";t=30`:                           0,
		`"default";r=0`:                            0,
		`"default";r=-1;t=30`:                      0,
		`r=0;t=x`:                                  0,
		``:                                         0,
		`;;;===,,,`:                                0,
	} {
		if got, ok := rateLimit([]string{value}); got != want || ok != (want > 0) {
			t.Errorf("RateLimit: %s is %v, %v; want %v", value, got, ok, want)
		}
	}
	if got, _ := rateLimit([]string{`"a";r=0;t=3`, `"b";r=0;t=4`}); got != 4*time.Second {
		t.Errorf("two headers give %v, want the longer wait", got)
	}
}

// The table of statuses, with what the headers wish.
func TestStatusesAreJudgedByOneTable(t *testing.T) {
	const none = time.Duration(0)
	for _, c := range []struct {
		status int
		header string
		class  holdfast.Class
		after  time.Duration
	}{
		{200, "", holdfast.Success, none}, {204, "", holdfast.Success, none}, {302, "", holdfast.Success, none},
		{304, "", holdfast.Success, none}, {400, "", holdfast.Success, none}, {404, "", holdfast.Success, none},
		{409, "", holdfast.Success, none}, {425, "", holdfast.Conflict, none}, {421, "", holdfast.Conflict, none},
		{200, "Retry-After: 5", holdfast.Success, none}, {302, "Retry-After: 5", holdfast.Success, none},
		{408, "", holdfast.Failure, none}, {429, "", holdfast.Overload, none}, {429, "Retry-After: 5", holdfast.Overload, 5 * time.Second},
		{429, `RateLimit: "x";r=0;t=8`, holdfast.Overload, 8 * time.Second},
		{429, `RateLimit: "x";r=0;t=8|Retry-After: 2`, holdfast.Overload, 2 * time.Second},
		{429, `RateLimit: "x";r=0;t=8|Retry-After: junk`, holdfast.Overload, 8 * time.Second},
		{502, "", holdfast.Failure, none}, {503, "", holdfast.Failure, none}, {504, "", holdfast.Failure, none},
		{503, "Retry-After: 5", holdfast.Overload, 5 * time.Second}, {503, "Retry-After: 0", holdfast.Failure, none},
		{502, "Retry-After: 5", holdfast.Failure, 5 * time.Second},
		{500, "", holdfast.Failure, -1}, {501, "", holdfast.Failure, -1}, {505, "", holdfast.Failure, -1}, {599, "", holdfast.Failure, -1},
		{999, "", holdfast.Failure, -1},
		{500, "X-Should-Retry: true", holdfast.Failure, none}, {503, "X-Should-Retry: false", holdfast.Failure, holdfast.Never},
		{503, "Stripe-Should-Retry: false", holdfast.Failure, holdfast.Never}, {429, "X-Envoy-Ratelimited: true", holdfast.Overload, holdfast.Never},
		{503, "X-Envoy-Overloaded: true", holdfast.Failure, holdfast.Never}, {503, "X-Should-Retry: maybe", holdfast.Failure, none},
		{507, "", holdfast.Failure, none}, // opted in
		{418, "", holdfast.Failure, none}, // opted in
		{200, "X-Should-Retry: false", holdfast.Success, none},
	} {
		h := http.Header{}
		for line := range strings.SplitSeq(c.header, "|") {
			if name, value, ok := strings.Cut(line, ": "); ok {
				h.Add(name, value)
			}
		}
		x := &exchange{door: &door{Wrapper: Wrapper{RepeatStatus: []int{507, 418, 200}}}, req: new(http.Request)}
		x.first.life.Context = t.Context()
		res := x.answered(&x.first, &x.call, new(sending), &http.Response{StatusCode: c.status, Header: h})
		if res.Class != c.class || res.After != c.after || res.Code == "" {
			t.Errorf("%d %s: %v after %v (%s), want %v after %v", c.status, c.header, res.Class, res.After, res.Code, c.class, c.after)
		}
	}
}

func TestUUIDIsOneEachTime(t *testing.T) {
	a, b := UUID(), UUID()
	if a == b || len(a) != 38 || a[0] != '"' || a[37] != '"' || a[15] != '4' || !strings.ContainsRune("89ab", rune(a[20])) {
		t.Errorf("got %s and %s", a, b)
	}
}

func FuzzRetryAfter(f *testing.F) {
	for _, s := range []string{"", "1", "18446744073709551616", "Fri, 31 Dec 1999 23:59:59 GMT", "Friday, 31-Dec-99 23:59:59 GMT"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, value string) {
		synctest.Test(t, func(t *testing.T) {
			var got time.Duration
			var ok bool
			alloctest.Within(t, 16<<10+32*len(value), func() { got, ok = retryAfter(value, "") })
			if got < 0 || !ok && got != 0 || time.Now().Add(got).Before(time.Now()) {
				t.Errorf("%q is %v", value, got)
			}
		})
	})
}

func FuzzRateLimit(f *testing.F) {
	f.Add(`"default";r=0;t=30`)
	f.Add(`a;r=0;t=1,b;r=0;t=18446744073709551616`)
	f.Fuzz(func(t *testing.T, value string) {
		var got time.Duration
		var ok bool
		alloctest.Within(t, 16<<10+32*len(value), func() { got, ok = rateLimit([]string{value}) })
		if got < 0 || got > math.MaxInt64/2 || ok != (got > 0) {
			t.Errorf("%q is %v, %v", value, got, ok)
		}
	})
}
