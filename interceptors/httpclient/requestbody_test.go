package httpclient_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/interceptors/httpclient"
)

// T9: RoundTrip never changes the caller's request.
func TestT09_TheCallersRequestIsNotChanged(t *testing.T) {
	w := httpclient.Wrapper{IdempotencyKey: httpclient.UUID, AttemptHeader: "X-Attempt", DeadlineHeader: "X-Left"}
	endpoint := holdfast.PolicyFunc(func(next holdfast.Handler) holdfast.Handler {
		return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
			call.SendTo("10.0.0.1:80")
			return next(context.WithValue(ctx, key{}, 1), call)
		}
	})
	var hosts []string
	rt := w.Wrap(base(func(req *http.Request) (*http.Response, error) {
		_, _ = io.Copy(io.Discard, req.Body)
		hosts = append(hosts, req.URL.Host+" "+req.Host)
		return response(req, 503, bodyOf("")), nil
	}), quick(3), endpoint)
	body := bodyOf("payload")
	req := request(t, "POST", "http://a/path?q", body)
	req.Host = ""
	req.Header.Set("X-Own", "1")
	before, header, u := *req, maps.Clone(req.Header), *req.URL
	resp, err := rt.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	if len(hosts) != 3 || hosts[0] != "10.0.0.1:80 a" {
		t.Errorf("sent to %q, want to the endpoint under the logical name", hosts)
	}
	if req.Body != before.Body || req.URL != before.URL || *req.URL != u || req.Context() != before.Context() || req.Host != before.Host {
		t.Error("the request was changed")
	}
	if !maps.EqualFunc(req.Header, header, func(a, b []string) bool { return strings.Join(a, "|") == strings.Join(b, "|") }) {
		t.Errorf("the header was changed to %v", req.Header)
	}
	if resp.Request.URL != req.URL || resp.Request.Context().Err() != nil || resp.Request.Context().Value(key{}) != nil {
		t.Error("resp.Request is not the caller's request with its context")
	}
}

type key struct{}

// T10: the caller's body is closed exactly once on every path.
func TestT10_TheRequestBodyIsClosedOnceOnEveryPath(t *testing.T) {
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	reject := holdfast.PolicyFunc(func(holdfast.Handler) holdfast.Handler {
		return func(context.Context, *holdfast.Call) holdfast.Result {
			return holdfast.Result{Err: errors.New("rejected")}
		}
	})
	panics := holdfast.PolicyFunc(func(holdfast.Handler) holdfast.Handler {
		return func(context.Context, *holdfast.Call) holdfast.Result { panic("policy") }
	})
	foreign := holdfast.PolicyFunc(func(next holdfast.Handler) holdfast.Handler {
		return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
			next(ctx, call)
			return holdfast.Result{}
		}
	})
	elsewhere := holdfast.PolicyFunc(func(next holdfast.Handler) holdfast.Handler {
		return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
			call.SendTo("b")
			return next(ctx, call)
		}
	})
	answers := base(func(req *http.Request) (*http.Response, error) {
		_, _ = io.Copy(io.Discard, req.Body)
		return response(req, 200, bodyOf("")), nil
	})
	fails := base(func(*http.Request) (*http.Response, error) { return nil, errors.New("boom") })
	for name, c := range map[string]struct {
		ctx    context.Context
		base   http.RoundTripper
		url    string
		policy holdfast.Policy
	}{
		"answered":                {context.Background(), answers, "http://a", quick(3)},
		"failed three times":      {context.Background(), fails, "http://a", quick(3)},
		"rejected by a policy":    {context.Background(), answers, "http://a", reject},
		"cancelled before":        {cancelled, answers, "http://a", quick(3)},
		"a policy panics":         {context.Background(), answers, "http://a", panics},
		"a foreign reply":         {context.Background(), answers, "http://a", foreign},
		"an endpoint under https": {context.Background(), answers, "https://a", elsewhere},
		"no URL":                  {context.Background(), http.DefaultTransport, "", quick(3)},
		"bad scheme":              {context.Background(), http.DefaultTransport, "gopher://a", quick(3)},
	} {
		for _, rewind := range []bool{true, false} {
			t.Run(name, func(t *testing.T) {
				body := bodyOf("payload")
				req := request(t, "PUT", "http://a", body).WithContext(c.ctx)
				if c.url == "" {
					req.URL = nil
				} else {
					req.URL.Scheme, _, _ = strings.Cut(c.url, ":")
				}
				var copies []*counted
				if rewind {
					req.GetBody = func() (io.ReadCloser, error) {
						b := bodyOf("payload")
						copies = append(copies, b)
						return b, nil
					}
				}
				func() {
					defer func() { _ = recover() }()
					resp, err := httpclient.Wrap(c.base, c.policy).RoundTrip(req)
					if err == nil {
						readAll(t, resp)
					}
				}()
				if n := body.closes.Load(); n != 1 {
					t.Errorf("closed %d times, want once", n)
				}
				for i, b := range copies {
					if n := b.closes.Load(); n != 1 {
						t.Errorf("copy %d closed %d times, want once", i, n)
					}
				}
			})
		}
	}
}

// T10: also over a base that forgets to close what it was given.
func TestT10_ABaseThatForgetsToClose(t *testing.T) {
	for name, last := range map[string]error{"an error": errors.New("boom"), "nothing": nil} {
		sends := 0
		body := bodyOf("payload")
		_, err := httpclient.Wrap(base2(func(req *http.Request) (*http.Response, error) {
			if sends++; sends == 1 {
				return response(req, 503, bodyOf("")), nil
			}
			return nil, last
		}), quick(2)).RoundTrip(request(t, "PUT", "http://a/", body))
		if n := body.closes.Load(); err == nil || n != 1 {
			t.Errorf("%s: %v, closed %d times, want once", name, err, n)
		}
	}
}

// T11: each attempt gets the whole body: from GetBody, or from what was kept under
// the cap; past the cap it is sent once.
func TestT11_EachAttemptGetsAFreshBody(t *testing.T) {
	const kib = 1 << 10
	for name, c := range map[string]struct {
		size, cap, attempts int
		rewind              bool
		reads               int // how much the base reads before it fails; -1: all
	}{
		"GetBody":                  {500 * kib, 0, 3, true, -1},
		"GetBody, nothing kept":    {500 * kib, -1, 3, true, -1},
		"kept":                     {60 * kib, 0, 3, false, -1},
		"just kept":                {64 * kib, 0, 3, false, -1},
		"too long":                 {64*kib + 1, 0, 1, false, -1},
		"too long, hardly read":    {500 * kib, 0, 3, false, 10 * kib},
		"too long, not read":       {500 * kib, 0, 3, false, 0},
		"no cap, not read":         {500 * kib, -1, 3, false, 0},
		"no cap, read":             {10, -1, 1, false, -1},
		"a cap of one's own":       {2 * kib, kib, 1, false, -1},
		"empty, of unknown length": {0, 0, 3, false, -1},
	} {
		t.Run(name, func(t *testing.T) {
			payload := bytes.Repeat([]byte("0123456789abcdef"), c.size/16+1)[:c.size]
			got := [][]byte{}
			rt := httpclient.Wrapper{ReplayCap: c.cap}.Wrap(base(func(req *http.Request) (*http.Response, error) {
				last := len(got) == 2
				var r io.Reader = req.Body
				if c.reads >= 0 && !last {
					r = io.LimitReader(req.Body, int64(c.reads))
				}
				b, err := io.ReadAll(r)
				if err != nil {
					t.Error(err)
				}
				got = append(got, b)
				return response(req, 503, bodyOf("")), nil
			}), quick(3))
			body := &counted{Reader: bytes.NewReader(payload)}
			req := request(t, "PUT", "http://a", body)
			if c.rewind {
				req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(payload)), nil }
			}
			resp, err := rt.RoundTrip(req)
			if err != nil || resp.StatusCode != 503 {
				t.Fatalf("%v, %v", resp, err)
			}
			if len(got) != c.attempts {
				t.Fatalf("%d attempts, want %d", len(got), c.attempts)
			}
			for i, b := range got {
				want := payload
				if c.reads >= 0 && i < 2 {
					want = payload[:c.reads]
				}
				if !bytes.Equal(b, want) {
					t.Errorf("attempt %d sent %d bytes, want %d, the same", i+1, len(b), len(want))
				}
			}
			if body.closes.Load() != 1 {
				t.Errorf("closed %d times", body.closes.Load())
			}
		})
	}
}

// A body that fails halfway is the caller's own matter: it is not repeated.
func TestABodyThatFailsHalfway(t *testing.T) {
	boom := errors.New("disk on fire")
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }))
	defer server.Close()
	sends := 0
	count := holdfast.PolicyFunc(func(next holdfast.Handler) holdfast.Handler {
		return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
			sends++
			res := next(ctx, call)
			if res.Class != holdfast.LocalFault || res.Code != "request_body" {
				t.Errorf("judged as %v %s", res.Class, res.Code)
			}
			return res
		}
	})
	body := &counted{Reader: io.MultiReader(strings.NewReader("half"), &failing{boom})}
	_, err := (&http.Client{Transport: httpclient.Wrap(nil, quick(3), count)}).Do(request(t, "PUT", server.URL, body))
	if !errors.Is(err, boom) || sends != 1 || body.closes.Load() != 1 {
		t.Errorf("%v after %d sends, closed %d times", err, sends, body.closes.Load())
	}
	// And one whose GetBody fails says so, in the ledger: the caller has the answer.
	req := request(t, "PUT", "http://a", bodyOf("x"))
	req.GetBody = func() (io.ReadCloser, error) { return nil, boom }
	resp, err := httpclient.Wrap(base(func(req *http.Request) (*http.Response, error) { return response(req, 503, bodyOf("sorry")), nil }), quick(3)).RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	if l := holdfast.LedgerOf(resp.Request.Context()); resp.StatusCode != 503 || readAll(t, resp) != "sorry" || l.Stopped != "request body" {
		t.Errorf("got %v with %v", resp.Status, l)
	}
}

type failing struct{ err error }

func (f *failing) Read([]byte) (int, error) { return 0, f.err }

// T12: a streaming upload without GetBody goes straight through: the response's
// headers come back while the body is still being written.
func TestT12_StreamingUploadsAreNotHeldUp(t *testing.T) {
	for _, http2 := range []bool{false, true} {
		server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			c := http.NewResponseController(w)
			_ = c.EnableFullDuplex()
			w.WriteHeader(200)
			buf := make([]byte, 5)
			for err := error(nil); err == nil; _, err = io.ReadFull(r.Body, buf) { // an echo, after the headers
				_, _ = w.Write(bytes.TrimLeft(buf, "\x00"))
				_ = c.Flush()
			}
		}))
		server.EnableHTTP2 = http2
		server.StartTLS()
		client := server.Client()
		client.Transport = httpclient.Wrap(client.Transport, quick(3))
		r, w := io.Pipe()
		resp, err := client.Do(request(t, "PUT", server.URL, r))
		if err != nil {
			t.Fatal(err)
		}
		if (resp.ProtoMajor == 2) != http2 {
			t.Errorf("spoke %s", resp.Proto)
		}
		buf := make([]byte, 5)
		for range 3 { // nothing was written before the headers came
			go func() { _, _ = io.WriteString(w, "hello") }()
			if _, err := io.ReadFull(resp.Body, buf); err != nil || string(buf) != "hello" {
				t.Fatalf("echo %q, %v", buf, err)
			}
		}
		_ = w.Close()
		readAll(t, resp)
		server.Close()
	}
}
