package httpclient_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/interceptors/httpclient"
)

// spy keeps every Result.
func spy(results *[]holdfast.Result) holdfast.Policy {
	return holdfast.PolicyFunc(func(next holdfast.Handler) holdfast.Handler {
		return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
			res := next(ctx, call)
			*results = append(*results, res)
			return res
		}
	})
}

// closedPort is an address where nobody listens.
func closedPort(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	return l.Addr().String()
}

// T19 and R12: POST is sent again only when it provably was not sent: after a
// failed dial, a REFUSED_STREAM, a GOAWAY that left it out.
func TestT19_POSTIsSentAgainOnlyWhenItWasNotSent(t *testing.T) {
	var sends atomic.Int32
	status := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sends.Add(1)
		switch r.URL.Path {
		case "/reset": // after it was read
			_, _ = io.Copy(io.Discard, r.Body)
			c, _, _ := http.NewResponseController(w).Hijack()
			_ = c.(*net.TCPConn).SetLinger(0)
			_ = c.Close()
		default:
			w.WriteHeader(503)
		}
	}))
	defer status.Close()
	for _, c := range []struct {
		method, url string
		key         bool
		sends       int32 // that reach the server
		attempts    int
	}{
		{"POST", status.URL, false, 1, 1},
		{"PATCH", status.URL, false, 1, 1},
		{"POST", status.URL, true, 3, 3},
		{"POST", status.URL + "/reset", false, 1, 1},
		{"POST", status.URL + "/reset", true, 3, 3},
		{"POST", "http://" + closedPort(t), false, 0, 3},
		{"GET", status.URL, false, 3, 3}, {"HEAD", status.URL, false, 3, 3}, {"OPTIONS", status.URL, false, 3, 3},
		{"TRACE", status.URL, false, 3, 3}, {"PUT", status.URL, false, 3, 3}, {"DELETE", status.URL, false, 3, 3},
		{"QUERY", status.URL, false, 3, 3}, {"PURGE", status.URL, false, 1, 1},
	} {
		sends.Store(0)
		var results []holdfast.Result
		req := request(t, c.method, c.url, strings.NewReader("payload"))
		if c.method == "TRACE" || c.method == "GET" || c.method == "HEAD" {
			req = request(t, c.method, c.url, nil)
		}
		if c.key {
			req.Header.Set("Idempotency-Key", `"k"`)
			req.GetBody = nil // else net/http sends it again by itself on a reused connection
		}
		resp, err := (&http.Client{Transport: httpclient.Wrap(&http.Transport{DisableKeepAlives: true}, quick(3), spy(&results))}).Do(req)
		if err == nil {
			readAll(t, resp)
		}
		if sends.Load() != c.sends || len(results) != c.attempts {
			t.Errorf("%s %s, key %v: %d attempts and %d sends, want %d and %d", c.method, c.url, c.key, len(results), sends.Load(), c.attempts, c.sends)
		}
	}
}

// R12: a timeout of a POST is not repeated, though its response is nil.
func TestR12_ATimedOutPOSTIsNotRepeated(t *testing.T) {
	rt := httpclient.Wrap(base(func(req *http.Request) (*http.Response, error) { return nil, context.DeadlineExceeded }), quick(3))
	if _, err := rt.RoundTrip(request(t, "POST", "http://a/", nil)); err != context.DeadlineExceeded {
		t.Errorf("got %v, want one attempt's error as it came", err)
	}
}

// T32: what is the same at every attempt is not repeated: certificates, bad
// schemes and headers, and the end of the caller's own context.
func TestT32_HopelessErrorsAreNotRepeated(t *testing.T) {
	tlsServer := httptest.NewUnstartedServer(http.NotFoundHandler()) // whose certificate nobody knows
	defer tlsServer.Close()
	tlsServer.Config.ErrorLog = log.New(io.Discard, "", 0)
	tlsServer.StartTLS()
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	expired, cancel := context.WithTimeout(t.Context(), 0)
	defer cancel()
	hang := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	defer hang.Close()
	soon, cancel2 := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel2()

	for name, c := range map[string]struct {
		url   string
		edit  func(*http.Request)
		ctx   context.Context
		class holdfast.Class
		code  holdfast.Code
	}{
		"unknown authority":   {tlsServer.URL, nil, nil, holdfast.Failure, "certificate"},
		"no TLS at all":       {strings.Replace(plain.URL, "http", "https", 1), nil, nil, holdfast.Failure, "tls"},
		"bad scheme":          {"gopher://a/", nil, nil, holdfast.LocalFault, "request"},
		"no host":             {"http:///x", nil, nil, holdfast.LocalFault, "request"},
		"bad header value":    {plain.URL, func(r *http.Request) { r.Header.Set("X", "a\nb") }, nil, holdfast.LocalFault, "request"},
		"bad header name":     {plain.URL, func(r *http.Request) { r.Header["a b"] = []string{"x"} }, nil, holdfast.LocalFault, "request"},
		"bad method":          {plain.URL, func(r *http.Request) { r.Method = "G T" }, nil, holdfast.LocalFault, "request"},
		"expired":             {plain.URL, nil, expired, holdfast.Ignored, "deadline"},
		"expires on the way":  {hang.URL, nil, soon, holdfast.Ignored, "deadline"},
		"cancelled by Cancel": {hang.URL, func(r *http.Request) { c := make(chan struct{}); close(c); r.Cancel = c }, nil, holdfast.Ignored, "cancelled"}, //nolint:staticcheck // obeyed as ever
	} {
		t.Run(name, func(t *testing.T) {
			var results []holdfast.Result
			req := request(t, "GET", c.url, nil)
			if c.edit != nil {
				c.edit(req)
			}
			if c.ctx != nil {
				req = req.WithContext(c.ctx)
			}
			transport := &http.Transport{}
			defer transport.CloseIdleConnections()
			_, err := httpclient.Wrap(transport, quick(3), spy(&results)).RoundTrip(req)
			if err == nil || len(results) != 1 {
				t.Fatalf("%v after %d attempts, want an error after one", err, len(results))
			}
			if results[0].Class != c.class || results[0].Code != c.code {
				t.Errorf("judged as %v %s: %v; want %v %s", results[0].Class, results[0].Code, err, c.class, c.code)
			}
		})
	}
}

// The redirect limit is http.Client's, and is met once.
func TestT32_TheRedirectLimitIsNotRepeated(t *testing.T) {
	var sends atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sends.Add(1)
		http.Redirect(w, r, "/", http.StatusFound)
	}))
	defer server.Close()
	_, err := (&http.Client{Transport: httpclient.Wrap(nil, quick(3))}).Do(request(t, "GET", server.URL, nil))
	if err == nil || sends.Load() != 10 {
		t.Errorf("%v after %d requests, want net/http's ten", err, sends.Load())
	}
}

// An HTTP/2 server that refuses streams, or goes away before it takes them: the
// request was not processed and may be sent again, whatever its method.
func TestHTTP2RefusalsAreRefused(t *testing.T) {
	for code, refuse := range map[holdfast.Code]func(fr *http2.Framer, stream uint32){
		"refused_stream": func(fr *http2.Framer, stream uint32) { _ = fr.WriteRSTStream(stream, http2.ErrCodeRefusedStream) },
		"goaway":         func(fr *http2.Framer, stream uint32) { _ = fr.WriteGoAway(stream-1, http2.ErrCodeNo, nil) },
	} {
		t.Run(string(code), func(t *testing.T) {
			transport, streams := refusing(t, refuse)
			var results []holdfast.Result
			// A body that net/http has begun to send and cannot send again is what
			// brings the refusal to us; else it tries by itself.
			body, stop := io.Pipe()
			go func() { _, _ = io.WriteString(stop, "begun") }()
			defer stop.Close()
			_, err := httpclient.Wrap(transport, spy(&results)).RoundTrip(request(t, "POST", "https://refusing.test/", body))
			if err == nil || len(results) != 1 || results[0].Class != holdfast.Refused || results[0].Code != code {
				t.Errorf("%v, judged as %+v after %d streams; want refused %s", err, results, streams.Load(), code)
			}
		})
	}
}

// refusing is a Transport to an HTTP/2 server of frames that refuses each stream
// once its first data is there.
func refusing(t *testing.T, refuse func(fr *http2.Framer, stream uint32)) (*http.Transport, *atomic.Int32) {
	streams := new(atomic.Int32)
	server := httptest.NewUnstartedServer(nil) // for its certificate
	server.StartTLS()
	cert := server.TLS.Certificates[0]
	roots := server.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	server.Close()
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: []string{"h2"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				preface := make([]byte, len(http2.ClientPreface))
				if _, err := io.ReadFull(c, preface); err != nil {
					return
				}
				fr := http2.NewFramer(c, c)
				_ = fr.WriteSettings()
				for {
					f, err := fr.ReadFrame()
					if err != nil {
						return
					}
					switch f := f.(type) {
					case *http2.SettingsFrame:
						if !f.IsAck() {
							_ = fr.WriteSettingsAck()
						}
					case *http2.DataFrame:
						streams.Add(1)
						refuse(fr, f.StreamID)
					}
				}
			}()
		}
	}()
	transport := &http.Transport{
		ForceAttemptHTTP2: true,
		TLSClientConfig:   &tls.Config{RootCAs: roots, ServerName: "example.com"},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, l.Addr().String())
		},
	}
	t.Cleanup(transport.CloseIdleConnections)
	return transport, streams
}

// What the user says of an outcome counts, but for headers and ends of our own.
func TestClassifyOverrulesTheTable(t *testing.T) {
	boom := errors.New("boom")
	w := httpclient.Wrapper{Classify: func(resp *http.Response, err error) (holdfast.Verdict, bool) {
		switch {
		case errors.Is(err, boom):
			return holdfast.Verdict{Class: holdfast.Refused}, true
		case err != nil:
			t.Errorf("asked about %v", err)
		case resp.StatusCode == 500:
			return holdfast.Verdict{Class: holdfast.Failure}, true
		case resp.StatusCode == 503:
			return holdfast.Verdict{Class: holdfast.Success}, true
		}
		return holdfast.Verdict{}, false
	}}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for _, c := range []struct {
		ctx    context.Context
		status int
		header string
		sends  int
	}{{t.Context(), 500, "", 3}, {t.Context(), 500, "X-Should-Retry", 1}, {t.Context(), 503, "", 1}, {t.Context(), 502, "", 3}, {t.Context(), 0, "", 3}, {cancelled, 1, "", 1}} {
		sends := 0
		rt := w.Wrap(base(func(req *http.Request) (*http.Response, error) {
			sends++
			if c.status == 0 {
				return nil, boom
			}
			resp := response(req, c.status, bodyOf(""))
			if c.header != "" {
				resp.Header.Set(c.header, "false")
			}
			return resp, nil
		}), quick(3))
		if c.status == 1 {
			sends++ // the door sends nothing under a context that has ended
		}
		_, _ = rt.RoundTrip(request(t, "PUT", "http://a/", nil).WithContext(c.ctx))
		if sends != c.sends {
			t.Errorf("%d %s: %d sends, want %d", c.status, c.header, sends, c.sends)
		}
	}
}
