package httpclient_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/interceptors/httpclient"
	"github.com/holdfast-go/holdfast/timeout"
)

// busyInside calls a 200 whose body says that the server is busy an Overload.
func busyInside(resp *http.Response, _ error) (holdfast.Verdict, bool) {
	if bytes.Contains(httpclient.Peek(resp, 1000), []byte(`"busy"`)) {
		return holdfast.Verdict{Class: holdfast.Overload, Code: "busy", After: time.Second}, true
	}
	return holdfast.Verdict{}, false
}

// A 200 that carries an error is repeated, after the wait that Classify names; and the
// caller gets the body whole, of a 200 that carries none and of the last one that does.
func TestAnErrorInTheBodyIsRepeated(t *testing.T) {
	long := strings.Repeat("x", 200_000)
	for name, c := range map[string]struct {
		bodies   []string
		want     string
		attempts int
		took     time.Duration
	}{
		"none":            {[]string{"well"}, "well", 1, 0},
		"long":            {[]string{long}, long, 1, 0},
		"once":            {[]string{`{"error":"busy"}`, "well"}, "well", 2, time.Second},
		"always":          {[]string{`{"error":"busy"}`, `{"error":"busy"}`, `{"error":"busy", "n":3}`}, `{"error":"busy", "n":3}`, 3, 2 * time.Second},
		"empty":           {[]string{""}, "", 1, 0},
		"further down":    {[]string{long + `"busy"`}, long + `"busy"`, 1, 0},
		"long, and again": {[]string{`"busy"` + long, "well"}, "well", 2, time.Second},
	} {
		for _, http2 := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				sends := 0
				transport, _ := inMemory(t, func(w http.ResponseWriter, _ *http.Request) {
					sends++
					_, _ = io.WriteString(w, c.bodies[sends-1])
				})
				transport.MaxConnsPerHost = 1
				var results []holdfast.Result
				rt := httpclient.Wrapper{Classify: busyInside}.Wrap(over(transport, http2), quick(3), spy(&results))
				start := time.Now()
				resp, err := rt.RoundTrip(request(t, "GET", "http://server.test/", nil))
				if err != nil || resp.StatusCode != 200 {
					t.Fatalf("%s: %v, %v", name, resp, err)
				}
				if got := readAll(t, resp); got != c.want || sends != c.attempts {
					t.Errorf("%s, HTTP/2 %v: read %d bytes after %d attempts", name, http2, len(got), sends)
				}
				if took := time.Since(start); took < c.took || took > c.took+c.took/5 {
					t.Errorf("%s: took %v", name, took)
				}
				if c.attempts > 1 && (results[0].Class != holdfast.Overload || results[0].Code != "busy") {
					t.Errorf("%s: judged as %+v", name, results[0])
				}
			})
		}
	}
}

// What headers say of waiting counts for an error in the body as for any other.
func TestAnErrorInTheBodyHasTheHeadersWish(t *testing.T) {
	for header, want := range map[string]time.Duration{
		"": 0, "Retry-After: 7": 7 * time.Second, "Retry-After-Ms: 250": 250 * time.Millisecond, "X-Should-Retry: false": holdfast.Never,
		"X-Ratelimit-Reset: 9": 9 * time.Second,
	} {
		var results []holdfast.Result
		name, value, _ := strings.Cut(header, ": ")
		w := httpclient.Wrapper{Classify: func(resp *http.Response, _ error) (holdfast.Verdict, bool) {
			return holdfast.Verdict{Class: holdfast.Overload}, len(httpclient.Peek(resp, 1)) > 0
		}}
		resp, err := w.Wrap(base(func(req *http.Request) (*http.Response, error) {
			resp := response(req, 200, bodyOf("error"))
			resp.Header.Set(name, value)
			return resp, nil
		}), spy(&results)).RoundTrip(request(t, "GET", "http://a/", nil))
		if err != nil || readAll(t, resp) != "error" || results[0].After != want || results[0].Code != "200" {
			t.Errorf("%q: %v, judged as %+v", header, err, results)
		}
	}
}

// Peek takes no more than it is asked for, nor more than 64 KiB, as often as it is asked,
// and gives away nothing that can be changed; elsewhere it is nothing.
func TestPeekIsBounded(t *testing.T) {
	text := strings.Repeat("0123456789", 10_000)
	body := &counted{Reader: strings.NewReader(text)}
	var kept *http.Response
	w := httpclient.Wrapper{Classify: func(resp *http.Response, _ error) (holdfast.Verdict, bool) {
		kept = resp
		for _, c := range []struct{ n, want int }{{-1, 0}, {0, 0}, {3, 3}, {2, 2}, {1000, 1000}, {1 << 30, 64 << 10}} {
			got := httpclient.Peek(resp, c.n)
			if string(got) != text[:c.want] {
				t.Errorf("%d bytes of %d", len(got), c.n)
			}
			clear(got)
			if left := body.Reader.(*strings.Reader).Len(); left > len(text)-c.want || left < len(text)-max(c.want, 1000) && c.n <= 1000 {
				t.Errorf("%d: %d bytes are left unread", c.n, left)
			}
		}
		return holdfast.Verdict{}, false
	}}
	resp, err := w.Wrap(base(func(req *http.Request) (*http.Response, error) { return response(req, 200, body), nil })).RoundTrip(request(t, "GET", "http://a/", nil))
	if err != nil {
		t.Fatal(err)
	}
	if got := httpclient.Peek(resp, 10); got != nil {
		t.Errorf("the caller peeked %q", got)
	}
	if got := httpclient.Peek(kept, 10); got != nil || httpclient.Peek(nil, 10) != nil || httpclient.Peek(&http.Response{}, 10) != nil {
		t.Errorf("peeked %q later", got)
	}
	if got := readAll(t, resp); got != text || body.closes.Load() != 1 {
		t.Errorf("read %d bytes, closed %d times", len(got), body.closes.Load())
	}
}

// What reading ends with comes to the caller at its place, and to nobody else.
func TestPeekOfABodyThatBreaksOff(t *testing.T) {
	boom := errors.New("boom")
	w := httpclient.Wrapper{Classify: func(resp *http.Response, _ error) (holdfast.Verdict, bool) {
		if got := httpclient.Peek(resp, 100); string(got) != "half" {
			t.Errorf("peeked %q", got)
		}
		return holdfast.Verdict{}, false
	}}
	var ends ends
	resp, err := w.Wrap(base(func(req *http.Request) (*http.Response, error) {
		return response(req, 200, &counted{Reader: io.MultiReader(strings.NewReader("half"), &failing{boom})}), nil
	}), ends.policy()).RoundTrip(request(t, "GET", "http://a/", nil))
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(resp.Body)
	if string(got) != "half" || !errors.Is(err, boom) {
		t.Errorf("read %q, %v", got, err)
	}
	if end := ends.one(t); end.Class != holdfast.Failure || end.Code != holdfast.CodeTruncated || end.Bytes != 4 {
		t.Errorf("ended as %+v", end)
	}
}

// An attempt whose limit runs out while Classify waits for the body has run out of time,
// and is repeated; nothing of it stays.
func TestALimitEndsPeek(t *testing.T) {
	for _, http2 := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			sends := 0
			transport, _ := inMemory(t, func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.WriteString(w, "wel")
				if sends++; sends == 1 {
					_ = http.NewResponseController(w).Flush()
					<-r.Context().Done()
				}
				_, _ = io.WriteString(w, "l")
			})
			transport.MaxConnsPerHost = 1
			var results []holdfast.Result
			rt := httpclient.Wrapper{Classify: busyInside}.Wrap(over(transport, http2), quick(2), spy(&results), timeout.New(timeout.Options{Limit: time.Second}))
			start := time.Now()
			resp, err := rt.RoundTrip(request(t, "GET", "http://server.test/", nil))
			if err != nil {
				t.Fatal(err)
			}
			if got := readAll(t, resp); got != "well" || time.Since(start) > time.Second+time.Millisecond {
				t.Errorf("read %q after %v", got, time.Since(start))
			}
			if len(results) != 2 || results[0].Class != holdfast.Failure || results[0].Code != holdfast.CodeTimeout {
				t.Errorf("judged as %+v", results)
			}

			sends = 0 // and where the time is the caller's, there is no answer but the error
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			resp, err = httpclient.Wrapper{Classify: busyInside}.Wrap(transport).RoundTrip(request(t, "GET", "http://server.test/", nil).WithContext(ctx))
			if resp != nil || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%v, %v", resp, err)
			}
		})
	}
}

// There is nothing to be looked at in an answer without a body, nor in an upgrade, which
// stays one.
func TestPeekLeavesUpgradesAlone(t *testing.T) {
	w := httpclient.Wrapper{Classify: func(resp *http.Response, _ error) (holdfast.Verdict, bool) {
		if got := httpclient.Peek(resp, 100); len(got) > 0 {
			t.Errorf("peeked %q", got)
		}
		return holdfast.Verdict{}, false
	}}
	for _, status := range []int{101, 204} {
		conn := &duplex{}
		resp, err := w.Wrap(base(func(req *http.Request) (*http.Response, error) { return response(req, status, conn), nil })).RoundTrip(request(t, "GET", "http://a/", nil))
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := resp.Body.(io.Writer); ok != (status == 101) {
			t.Errorf("%d: the body is a %s", status, fmt.Sprintf("%T", resp.Body))
		}
		_ = resp.Body.Close()
	}
}

// A duplex is a connection in both directions on which nothing comes.
type duplex struct{}

func (*duplex) Read([]byte) (int, error)    { return 0, io.EOF }
func (*duplex) Write(p []byte) (int, error) { return len(p), nil }
func (*duplex) Close() error                { return nil }
