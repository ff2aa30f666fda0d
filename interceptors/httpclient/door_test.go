package httpclient_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/interceptors/httpclient"
	"github.com/holdfast-go/holdfast/retry"
)

// A base is a RoundTripper of one function that keeps the RoundTripper's
// contract: it closes the request's body.
type base func(req *http.Request) (*http.Response, error)

func (b base) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Body != nil {
		defer req.Body.Close()
	}
	return b(req)
}

// A counted body counts what is done to it.
type counted struct {
	io.Reader
	closes, reads atomic.Int32
	stall         chan struct{} // not nil: Read waits for Close
	once          sync.Once
}

func bodyOf(text string) *counted { return &counted{Reader: strings.NewReader(text)} }

func (c *counted) Read(p []byte) (int, error) {
	c.reads.Add(1)
	if c.stall != nil {
		<-c.stall
		return 0, errors.New("closed while it stalled")
	}
	return c.Reader.Read(p)
}

func (c *counted) Close() error {
	c.closes.Add(1)
	if c.stall != nil {
		c.once.Do(func() { close(c.stall) })
	}
	return nil
}

func response(req *http.Request, status int, body io.ReadCloser) *http.Response {
	return &http.Response{
		StatusCode: status, Status: fmt.Sprint(status, " ", http.StatusText(status)), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{}, Body: body, ContentLength: -1, Request: req,
	}
}

// quick retries without waiting to speak of, and is never short of budget.
func quick(attempts int) *retry.Retry {
	return retry.New(retry.Options{
		MaxAttempts: attempts, InitialInterval: time.Nanosecond, OverloadInterval: time.Nanosecond, Jitter: retry.Constant,
		Budget: retry.NewBudget(retry.BudgetOptions{Unlimited: true}),
	})
}

func request(t testing.TB, method, url string, body io.Reader) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	return req
}

func readAll(t testing.TB, resp *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Errorf("reading the body: %v", err)
	}
	if err := resp.Body.Close(); err != nil {
		t.Errorf("closing the body: %v", err)
	}
	return string(b)
}

// T1: every response that an attempt discards is closed exactly once, and the
// one handed to the caller is closed by nobody else.
func TestT01_DiscardedResponsesAreClosedOnce(t *testing.T) {
	for _, length := range []int64{-1, 0, 4} {
		var bodies []*counted
		rt := httpclient.Wrap(base(func(req *http.Request) (*http.Response, error) {
			b := bodyOf("body")
			bodies = append(bodies, b)
			resp := response(req, 503, b)
			resp.ContentLength = length
			return resp, nil
		}), quick(3))
		for range 20 {
			bodies = nil
			resp, err := rt.RoundTrip(request(t, "GET", "http://a/", nil))
			if err != nil || len(bodies) != 3 {
				t.Fatalf("%d attempts, %v", len(bodies), err)
			}
			for i, b := range bodies {
				if want := int32(min(2-i, 1)); b.closes.Load() != want {
					t.Errorf("length %d: the body of attempt %d was closed %d times, want %d", length, i+1, b.closes.Load(), want)
				}
			}
			if length != 0 {
				if got := readAll(t, resp); got != "body" || bodies[2].closes.Load() != 1 {
					t.Errorf("the caller read %q, closed %d times", got, bodies[2].closes.Load())
				}
			}
		}
	}
}

// T2: a discarded response is drained, up to a cap of bytes and of time, so that
// the connection is used again and a stalling error body delays nothing.
func TestT02_DiscardedResponsesAreDrainedWithinCaps(t *testing.T) {
	send := func(w httpclient.Wrapper, first *counted) {
		n := 0
		rt := w.Wrap(base(func(req *http.Request) (*http.Response, error) {
			if n++; n == 1 {
				return response(req, 503, first), nil
			}
			return response(req, 200, bodyOf("")), nil
		}), quick(2))
		resp, err := rt.RoundTrip(request(t, "GET", "http://a/", nil))
		if err != nil || resp.StatusCode != 200 {
			t.Errorf("%v, %v", resp, err)
		}
		if first.closes.Load() != 1 {
			t.Errorf("closed %d times", first.closes.Load())
		}
	}
	short := bodyOf("short")
	send(httpclient.Wrapper{}, short)
	if n, _ := short.Reader.(*strings.Reader).Read(make([]byte, 1)); n != 0 {
		t.Error("a short body was not read to its end")
	}
	long := &counted{Reader: bytes.NewReader(make([]byte, 1<<20))}
	send(httpclient.Wrapper{}, long)
	if left := long.Reader.(*bytes.Reader).Len(); left < 1<<20-70<<10 || left > 1<<20-60<<10 {
		t.Errorf("%d bytes of a megabyte are left, want all but 64 KiB", left)
	}
	stalled := bodyOf("")
	stalled.stall = make(chan struct{})
	send(httpclient.Wrapper{DrainTime: time.Millisecond}, stalled) // for ever, if nothing ends it
	untouched := bodyOf("short")
	send(httpclient.Wrapper{DrainBytes: -1}, untouched)
	if untouched.reads.Load() != 0 {
		t.Error("a body was drained with draining off")
	}
}

// T3: after the context was cancelled the body is closed without draining.
func TestT03_NoDrainingAfterCancel(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	b := bodyOf("body")
	discards := holdfast.PolicyFunc(func(next holdfast.Handler) holdfast.Handler {
		return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
			res := next(ctx, call)
			cancel()
			res.Discard()
			res.Discard()
			return holdfast.Result{Err: ctx.Err()}
		}
	})
	rt := httpclient.Wrap(base(func(req *http.Request) (*http.Response, error) { return response(req, 200, b), nil }), discards)
	_, err := rt.RoundTrip(request(t, "GET", "http://a/", nil).WithContext(ctx))
	if !errors.Is(err, context.Canceled) || b.reads.Load() != 0 || b.closes.Load() != 1 {
		t.Errorf("%v; %d reads, %d closes; want it closed once and not read", err, b.reads.Load(), b.closes.Load())
	}
}

// T4: when attempts run out the caller gets the last real response, readable, or
// the last error.
func TestT04_TheLastRealResponseComesBack(t *testing.T) {
	n := 0
	rt := httpclient.Wrap(base(func(req *http.Request) (*http.Response, error) {
		n++
		return response(req, 503, bodyOf(fmt.Sprint("answer ", n))), nil
	}), quick(3))
	resp, err := rt.RoundTrip(request(t, "POST", "http://a/", nil))
	if err != nil || resp.StatusCode != 503 || readAll(t, resp) != "answer 1" {
		t.Errorf("a POST gave %v, %v", resp, err)
	}
	if got := holdfast.LedgerOf(resp.Request.Context()).Stopped; got != "not repeatable" {
		t.Errorf("stopped because %q", got)
	}
	n = 0
	resp, err = rt.RoundTrip(request(t, "GET", "http://a/", nil))
	if err != nil || resp.StatusCode != 503 || readAll(t, resp) != "answer 3" {
		t.Errorf("a GET gave %v, %v", resp, err)
	}
	if l := holdfast.LedgerOf(resp.Request.Context()); len(l.Attempts) != 3 || l.Stopped != "3 attempts made" || l.Attempts[0].Code != "503" {
		t.Errorf("ledger %v", l)
	}
	boom := errors.New("boom")
	rt = httpclient.Wrap(base(func(*http.Request) (*http.Response, error) { return nil, boom }), quick(3))
	_, err = rt.RoundTrip(request(t, "GET", "http://a/", nil))
	var all *holdfast.AttemptsError
	if !errors.Is(err, boom) || !errors.As(err, &all) || len(all.Ledger.Attempts) != 3 {
		t.Errorf("got %v", err)
	}
	if _, err = rt.RoundTrip(request(t, "POST", "http://a/", nil)); err != boom {
		t.Errorf("a single attempt gave %v, want its own error", err)
	}
}

// T5: never a response together with an error, whatever the base does.
func TestT05_NeverAResponseAndAnError(t *testing.T) {
	b := bodyOf("both")
	boom := errors.New("boom")
	rt := httpclient.Wrap(base(func(req *http.Request) (*http.Response, error) { return response(req, 200, b), boom }), quick(1))
	resp, err := rt.RoundTrip(request(t, "GET", "http://a/", nil))
	if resp != nil || err != boom || b.closes.Load() != 1 {
		t.Errorf("%v with %v, closed %d times", resp, err, b.closes.Load())
	}
	n := 0
	rt = httpclient.Wrap(base(func(req *http.Request) (*http.Response, error) {
		if n++; n == 1 {
			return nil, boom
		}
		return response(req, 503, bodyOf("")), nil
	}), quick(2))
	if resp, err = rt.RoundTrip(request(t, "GET", "http://a/", nil)); err != nil || resp.StatusCode != 503 {
		t.Errorf("an error and then a 503 gave %v, %v", resp, err)
	}
}

// T15: one failed call closes no idle connection of another.
func TestT15_FailuresCloseNoConnections(t *testing.T) {
	var opened atomic.Int32
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/bad" {
			w.WriteHeader(503)
		}
		_, _ = io.WriteString(w, "some body")
	}))
	server.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			opened.Add(1)
		}
	}
	server.Start()
	defer server.Close()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: httpclient.Wrap(transport, quick(3))}
	for range 10 {
		for _, path := range []string{"/good", "/bad"} {
			resp, err := client.Do(request(t, "GET", server.URL+path, nil))
			if err != nil {
				t.Fatal(err)
			}
			readAll(t, resp)
		}
	}
	if n := opened.Load(); n != 1 {
		t.Errorf("%d connections opened for calls one after another, want 1", n)
	}
}

// T20: an idempotency key is made once for a call and is the same on every
// attempt; the caller's own is left alone.
func TestT20_IdempotencyKeyIsTheSameOnEveryAttempt(t *testing.T) {
	var keys []string
	made := 0
	w := httpclient.Wrapper{IdempotencyKey: func() string { made++; return fmt.Sprint("key-", made) }}
	rt := w.Wrap(base(func(req *http.Request) (*http.Response, error) {
		keys = append(keys, req.Header.Get("Idempotency-Key"))
		return response(req, 503, bodyOf("")), nil
	}), quick(3))
	for _, c := range []struct {
		method, own, want string
	}{
		{"POST", "", "key-1 key-1 key-1"}, {"PATCH", "", "key-2 key-2 key-2"}, {"POST", "mine", "mine mine mine"}, {"GET", "", "  "},
	} {
		keys = nil
		req := request(t, c.method, "http://a/", strings.NewReader("x"))
		if c.own != "" {
			req.Header.Set("Idempotency-Key", c.own)
		}
		if _, err := rt.RoundTrip(req); err != nil || strings.Join(keys, " ") != c.want {
			t.Errorf("%s with %q: keys %q, %v; want %q", c.method, c.own, keys, err, c.want)
		}
		if got := req.Header.Get("Idempotency-Key"); got != c.own {
			t.Errorf("the caller's header was changed to %q", got)
		}
	}
}

// T38: a request that is a repeat already is not repeated, when chain-stop is on.
func TestT38_ARepeatIsNotRepeatedDownstream(t *testing.T) {
	for _, c := range []struct {
		stop   bool
		header string
		sends  int
	}{{true, "2", 1}, {true, "17", 1}, {true, "1", 3}, {true, "", 3}, {true, "junk", 3}, {false, "2", 3}} {
		var numbers []string
		w := httpclient.Wrapper{AttemptHeader: "X-Attempt", ChainStop: c.stop}
		rt := w.Wrap(base(func(req *http.Request) (*http.Response, error) {
			numbers = append(numbers, req.Header.Get("X-Attempt"))
			return nil, &net.OpError{Op: "dial", Err: errors.New("refused")} // even what does no harm
		}), quick(3))
		req := request(t, "GET", "http://a/", nil)
		if c.header != "" {
			req.Header.Set("X-Attempt", c.header)
		}
		_, _ = rt.RoundTrip(req)
		if len(numbers) != c.sends || numbers[0] != c.header {
			t.Errorf("chain stop %v with %q: sent as %q, want %d sends", c.stop, c.header, numbers, c.sends)
		}
		if c.sends == 3 && (numbers[1] != "2" || numbers[2] != "3") {
			t.Errorf("repeats are numbered %q", numbers[1:])
		}
		if got := req.Header.Get("X-Attempt"); got != c.header {
			t.Errorf("the caller's header was changed to %q", got)
		}
	}
}

// newJar makes a cookie jar that keeps everything for every host that set it.
func newJar() http.CookieJar {
	jar, _ := cookiejar.New(nil)
	return jar
}
