package httpclient_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/interceptors/httpclient"
	"github.com/holdfast-go/holdfast/timeout"
)

// Requests that cannot be sent end in an error, with their body closed, also over
// a base that would not look.
func TestRequestsThatCannotBeSent(t *testing.T) {
	rt := httpclient.Wrap(base(func(*http.Request) (*http.Response, error) {
		t.Error("sent")
		return nil, errors.New("sent")
	}), quick(3))
	if _, err := rt.RoundTrip(nil); err == nil {
		t.Error("a nil request gave no error")
	}
	for want, edit := range map[string]func(*http.Request){
		"nil Request.URL":    func(r *http.Request) { r.URL = nil },
		"nil Request.Header": func(r *http.Request) { r.Header = nil },
	} {
		body := bodyOf("x")
		req := request(t, "PUT", "http://a/", body)
		edit(req)
		if _, err := rt.RoundTrip(req); err == nil || !strings.Contains(err.Error(), want) || body.closes.Load() != 1 {
			t.Errorf("%v, closed %d times; want %s", err, body.closes.Load(), want)
		}
	}
}

// Whatever of the user's panics, what is open is closed, and the panic goes on.
func TestPanicsLeaveNothingOpen(t *testing.T) {
	answer := bodyOf("answer")
	answers := base(func(req *http.Request) (*http.Response, error) { return response(req, 200, answer), nil })
	for name, c := range map[string]struct {
		w    httpclient.Wrapper
		base http.RoundTripper
	}{
		"Repeatable":     {httpclient.Wrapper{Repeatable: func(*http.Request) bool { panic("ours") }}, answers},
		"Stream":         {httpclient.Wrapper{Stream: func(*http.Request) bool { panic("ours") }}, answers},
		"IdempotencyKey": {httpclient.Wrapper{IdempotencyKey: func() string { panic("ours") }}, answers},
		"Classify":       {httpclient.Wrapper{Classify: func(*http.Response, error) (holdfast.Verdict, bool) { panic("ours") }}, answers},
		"the base":       {httpclient.Wrapper{}, base2(func(*http.Request) (*http.Response, error) { panic("ours") })},
	} {
		answer.closes.Store(0)
		body := bodyOf("x")
		func() {
			defer func() {
				if got := recover(); got != "ours" {
					t.Errorf("%s: recovered %v", name, got)
				}
			}()
			_, _ = c.w.Wrap(c.base, quick(3)).RoundTrip(request(t, "POST", "http://a/", body))
		}()
		if n := body.closes.Load(); n != 1 {
			t.Errorf("%s: the request's body was closed %d times", name, n)
		}
		if n := answer.closes.Load(); name == "Classify" && n != 1 {
			t.Errorf("%s: the response's body was closed %d times", name, n)
		}
	}
}

// The response's Request has the caller's context, never an attempt's, whatever
// the base puts there; and the ledger, once there is one.
func TestTheResponsesRequestOutlivesTheAttempt(t *testing.T) {
	for name, c := range map[string]struct {
		statuses []int
		request  func(sent *http.Request) *http.Request
		attempts int
		url      string
	}{
		"none":                   {[]int{200}, func(*http.Request) *http.Request { return nil }, 0, "http://a/"},
		"what was sent":          {[]int{200}, func(r *http.Request) *http.Request { return r }, 0, "http://a/"},
		"a copy of the base":     {[]int{200}, func(r *http.Request) *http.Request { r = r.Clone(r.Context()); r.URL.Host = "b"; return r }, 0, "http://b/"},
		"after a repeat":         {[]int{503, 200}, func(r *http.Request) *http.Request { return r }, 2, "http://a/"},
		"a copy, after a repeat": {[]int{503, 200}, func(r *http.Request) *http.Request { return r.Clone(r.Context()) }, 2, "http://a/"},
	} {
		t.Run(name, func(t *testing.T) {
			n := 0
			rt := httpclient.Wrap(base(func(req *http.Request) (*http.Response, error) {
				n++
				resp := response(req, c.statuses[n-1], bodyOf("body"))
				resp.Request = c.request(req)
				return resp, nil
			}), quick(3), timeout.New(timeout.Options{Limit: time.Minute}))
			ctx := context.WithValue(t.Context(), key{}, "the caller's")
			resp, err := rt.RoundTrip(request(t, "GET", "http://a/", nil).WithContext(ctx))
			if err != nil {
				t.Fatal(err)
			}
			readAll(t, resp) // which ends the attempt
			got := resp.Request.Context()
			if got.Err() != nil || got.Value(key{}) != "the caller's" || holdfast.CallFrom(got) != nil || resp.Request.URL.String() != c.url {
				t.Errorf("the Request of the response is to %v, under %v", resp.Request.URL, got)
			}
			if l := holdfast.LedgerOf(got); len(l.Attempts) != c.attempts {
				t.Errorf("ledger %v, want %d attempts", l, c.attempts)
			}
		})
	}
}

// A key is made for what is not repeatable otherwise, and does not overrule what
// the user says of an idempotent method.
func TestWhatIdempotencyKeysAreMadeFor(t *testing.T) {
	hook := func(r *http.Request) bool { return r.URL.Path == "/search" }
	for _, c := range []struct {
		method, path string
		hook         func(*http.Request) bool
		header       http.Header
		key          string
		sends        int
	}{
		{"POST", "/", nil, nil, "made", 2},
		{"GET", "/", nil, nil, "", 2},
		{"GET", "/", hook, nil, "", 1},
		{"POST", "/search", hook, nil, "", 2},
		{"POST", "/", hook, nil, "made", 2},
		{"POST", "/", nil, http.Header{"Idempotency-Key": {}}, "", 2}, // as net/http has it: repeatable, and not said on the wire
		{"POST", "/", nil, http.Header{"X-Idempotency-Key": {"x"}}, "", 2},
	} {
		var keys []string
		w := httpclient.Wrapper{Repeatable: c.hook, IdempotencyKey: func() string { return "made" }}
		req := request(t, c.method, "http://a"+c.path, nil)
		if c.header != nil {
			req.Header = c.header
		}
		_, err := w.Wrap(base(func(req *http.Request) (*http.Response, error) {
			keys = append(keys, req.Header.Get("Idempotency-Key"))
			return response(req, 503, http.NoBody), nil
		}), quick(2)).RoundTrip(req)
		if err != nil || len(keys) != c.sends || keys[0] != c.key || keys[len(keys)-1] != c.key {
			t.Errorf("%s %s %v: sent with keys %q, %v; want %d times %q", c.method, c.path, c.header, keys, err, c.sends, c.key)
		}
	}
}

// R9: exactly what is left, never 0, and nothing where there is no deadline.
func TestR09_WhatIsLeftOfADeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told []string
		rt := httpclient.Wrapper{DeadlineHeader: "X-Left"}.Wrap(base(func(req *http.Request) (*http.Response, error) {
			told = append(told, strings.Join(req.Header["X-Left"], "|"))
			return response(req, 200, http.NoBody), nil
		}), holdfast.PolicyFunc(func(next holdfast.Handler) holdfast.Handler {
			return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
				time.Sleep(100 * time.Millisecond)
				return next(ctx, call)
			}
		}))
		for _, d := range []time.Duration{time.Second, 100*time.Millisecond + time.Microsecond, 0} {
			ctx, cancel := t.Context(), func() {}
			if d > 0 {
				ctx, cancel = context.WithTimeout(ctx, d)
			}
			if _, err := rt.RoundTrip(request(t, "GET", "http://a/", nil).WithContext(ctx)); err != nil {
				t.Error(err)
			}
			cancel()
		}
		if got := strings.Join(told, ","); got != "900,1," {
			t.Errorf("told %q", got)
		}
	})
}

// An endpoint under https would need its certificate checked for another name.
func TestAnEndpointUnderHTTPSIsAnError(t *testing.T) {
	sendTo := holdfast.PolicyFunc(func(next holdfast.Handler) holdfast.Handler {
		return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
			call.SendTo("10.0.0.1:443")
			return next(ctx, call)
		}
	})
	var results []holdfast.Result
	rt := httpclient.Wrap(base(func(*http.Request) (*http.Response, error) {
		t.Error("sent")
		return nil, errors.New("sent")
	}), quick(3), spy(&results), sendTo)
	_, err := rt.RoundTrip(request(t, "GET", "https://a/", nil))
	if err == nil || !strings.Contains(err.Error(), "certificate") || len(results) != 1 {
		t.Fatalf("%v after %d attempts", err, len(results))
	}
	if res := results[0]; res.Class != holdfast.LocalFault || res.Code != "config" {
		t.Errorf("judged as %+v", res)
	}
}

// What counts as a stream.
func TestStreams(t *testing.T) {
	for _, c := range []struct {
		method string
		header http.Header
		want   bool
	}{
		{"GET", nil, false}, {"CONNECT", nil, true}, {"GET", http.Header{"Upgrade": {"websocket"}}, true},
		{"GET", http.Header{"Accept": {"text/html", "text/event-stream;q=0.9"}}, true}, {"GET", http.Header{"Accept": {"text/html"}}, false},
		{"GET", http.Header{"X-Watch": {"1"}}, true},
	} {
		var got bool
		w := httpclient.Wrapper{Stream: func(r *http.Request) bool { return r.Header.Get("X-Watch") != "" }}
		rt := w.Wrap(base(func(req *http.Request) (*http.Response, error) { return response(req, 200, http.NoBody), nil }),
			after(func(call *holdfast.Call, _ holdfast.Result) { got = call.Stream }))
		req := &http.Request{Method: c.method, URL: &url.URL{Scheme: "http", Host: "a"}, Header: c.header}
		if req.Header == nil {
			req.Header = http.Header{}
		}
		if _, err := rt.RoundTrip(req); err != nil || got != c.want {
			t.Errorf("%s %v: a stream %v, %v; want %v", c.method, c.header, got, err, c.want)
		}
	}
}
