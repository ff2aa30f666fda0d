package verdicts_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/interceptors/httpclient"
)

// A base is a transport that answers by a function.
type base func(req *http.Request) (*http.Response, error)

func (b base) RoundTrip(req *http.Request) (*http.Response, error) { return b(req) }

// get is what policies see of a request through a door over b.
func get(t *testing.T, w httpclient.Wrapper, b http.RoundTripper, url string, body io.Reader) holdfast.Result {
	t.Helper()
	return seen(t, func(policies ...holdfast.Policy) {
		req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, "http://a/", body)
		if err != nil {
			t.Fatal(err)
		}
		if req.URL, err = req.URL.Parse(url); err != nil {
			t.Fatal(err)
		}
		if resp, err := w.Wrap(b, policies...).RoundTrip(req); err == nil {
			_ = resp.Body.Close()
		}
	})
}

func answers(status int, header ...string) base {
	return func(req *http.Request) (*http.Response, error) {
		h := http.Header{}
		for i := 0; i < len(header); i += 2 {
			h.Set(header[i], header[i+1])
		}
		return &http.Response{StatusCode: status, Header: h, Body: http.NoBody, Request: req}, nil
	}
}

func fails(err error) base {
	return func(*http.Request) (*http.Response, error) { return nil, err }
}

type timeoutError struct{}

func (timeoutError) Error() string { return "i/o timeout" }
func (timeoutError) Timeout() bool { return true }

// TestTheTableOfStatuses asks about every status, with a wish of the server's and without.
func TestTheTableOfStatuses(t *testing.T) {
	waits := []string{"Retry-After", "7"}
	var rows []row
	usual := map[int]string{} // of the statuses of a hundred, the verdict that most have
	verdict := func(r holdfast.Result) string { return class(r.Class) + " " + again(r) }
	ask := func(status int, header ...string) holdfast.Result {
		r := get(t, httpclient.Wrapper{}, answers(status, header...), "", nil)
		if want := holdfast.Code(fmt.Sprint(status)); r.Code != want {
			t.Errorf("%d has the code %q", status, r.Code)
		}
		r.Code = "the status"
		return r
	}
	for hundred := 2; hundred <= 5; hundred++ {
		count := map[string]int{}
		for status := hundred * 100; status < hundred*100+100; status++ {
			v := verdict(ask(status))
			if count[v]++; count[v] > 50 {
				usual[hundred] = v
			}
		}
	}
	add := func(what string, r holdfast.Result) {
		for i := range rows {
			if verdict(rows[i].seen[0]) == verdict(r) {
				rows[i].outcome += " " + what
				return
			}
		}
		rows = append(rows, row{what, []holdfast.Result{r}})
	}
	for hundred := 2; hundred <= 5; hundred++ { // the usual ones first, then those that stand out
		add(fmt.Sprintf("%dxx", hundred), holdfast.Result{Class: ask(hundred*100 + 99).Class, After: ask(hundred*100 + 99).After, Code: "the status"})
	}
	for i := range rows {
		rows[i].outcome = "other " + rows[i].outcome
	}
	others := len(rows)
	for status := 200; status < 600; status++ {
		plain, asked := ask(status), ask(status, waits...)
		if verdict(plain) != usual[status/100] {
			add(fmt.Sprint(status), plain)
		}
		if plain.Class != asked.Class {
			add(fmt.Sprintf("%d with Retry-After", status), asked)
		}
	}
	rows = slices.Concat(rows[others:], rows[:others])
	for _, more := range []row{
		{"5xx with X-Should-Retry: true, or in RepeatStatus", []holdfast.Result{
			get(t, httpclient.Wrapper{}, answers(500, "X-Should-Retry", "true"), "", nil), get(t, httpclient.Wrapper{RepeatStatus: []int{500}}, answers(500), "", nil)}},
		{"503 with X-Should-Retry: false", []holdfast.Result{get(t, httpclient.Wrapper{}, answers(503, "X-Should-Retry", "false"), "", nil)}},
		{"503 of another service, by Holdfast-Origin", []holdfast.Result{
			get(t, httpclient.Wrapper{TrustOrigin: func(string) bool { return true }}, answers(503, "Holdfast-Origin", "stock"), "", nil)}},
	} {
		for i := range more.seen {
			more.seen[i].Code = "the status"
		}
		rows = append(rows, more)
	}
	documented(t, "interceptors/httpclient/doc.go", "status", rows)
}

// TestTheTableOfErrors brings about what can go wrong with a request.
func TestTheTableOfErrors(t *testing.T) {
	rows := []row{}
	add := func(what string, errs ...error) {
		r := row{outcome: what}
		for _, err := range errs {
			r.seen = append(r.seen, get(t, httpclient.Wrapper{}, fails(err), "", nil))
		}
		rows = append(rows, r)
	}
	through := func(base *http.Transport, url string, body io.Reader) holdfast.Result {
		defer base.CloseIdleConnections()
		return get(t, httpclient.Wrapper{}, base, url, body)
	}
	dial := func(err error) error { return &net.OpError{Op: "dial", Err: err} }
	add("no connection: no such name, nobody listens", &net.DNSError{Err: "no such host", Name: "a", IsNotFound: true}, dial(syscall.ECONNREFUSED), dial(timeoutError{}))
	add("the TLS handshake takes too long", errors.New("net/http: TLS handshake timeout"))
	add("HTTP/2: the stream was refused", errors.New("stream error: stream ID 1; REFUSED_STREAM; received from peer"))
	add("HTTP/2: a GOAWAY left the request out", errors.New("http2: Transport received Server's graceful shutdown GOAWAY"))
	rows = append(rows, row{"a proxy answers CONNECT by 408, 429 or 5xx", proxied(t, through, 408, 429, 500, 502, 503, 504)},
		row{"a proxy answers CONNECT by another 3xx or 4xx", proxied(t, through, 302, 403, 404, 407)},
		row{"the base's Proxy fails", []holdfast.Result{through(&http.Transport{Proxy: func(*http.Request) (*url.URL, error) { return nil, errors.New("x") }}, "http://a/", nil)}},
		row{"a kept connection takes no byte of the headers", []holdfast.Result{unwritten(t)}})
	add("the connection is reset, or ends", &net.OpError{Op: "read", Err: syscall.ECONNRESET}, &net.OpError{Op: "write", Err: syscall.EPIPE}, io.EOF, io.ErrUnexpectedEOF)
	add("the connection runs out of time of its own", &net.OpError{Op: "read", Err: timeoutError{}})
	add("any other error", errors.New("x"))
	add("the certificate does not check out", &tls.CertificateVerificationError{Err: errors.New("x")}, x509.UnknownAuthorityError{}, x509.HostnameError{Certificate: new(x509.Certificate)})
	add("a TLS alert; the server speaks no TLS", &net.OpError{Op: "remote error", Err: errors.New("tls: handshake failure")}, tls.RecordHeaderError{}, http.ErrSchemeMismatch)
	add("no port, no file descriptor", dial(os.NewSyscallError("socket", syscall.EMFILE)), dial(os.NewSyscallError("connect", syscall.EADDRNOTAVAIL)))
	rows = append(rows,
		row{"no connection slot of MaxConnsPerHost in time", []holdfast.Result{slotless(t)}},
		row{"scheme, host or header that cannot be sent", []holdfast.Result{through(new(http.Transport), "gopher://a/", nil), through(new(http.Transport), "http:///", nil)}},
		row{"the answer's headers exceed our own bound", []holdfast.Result{get(t, httpclient.Wrapper{}, fails(errors.New("net/http: server response headers exceeded 9 bytes; aborted")), "", nil)}},
		row{"the request's body is not as long as it says", []holdfast.Result{get(t, httpclient.Wrapper{}, fails(errors.New("http: ContentLength=9 with Body length 1")), "", nil)}},
		row{"the request's body cannot be read", []holdfast.Result{get(t, httpclient.Wrapper{}, base(func(req *http.Request) (*http.Response, error) {
			_, err := io.ReadAll(req.Body)
			return nil, err
		}), "", io.MultiReader(strings.NewReader("x"), broken{}))}},
	)
	rows = append(rows, ends(t, func(waits func(context.Context), policies ...holdfast.Policy) {
		door := httpclient.Wrap(base(func(req *http.Request) (*http.Response, error) {
			waits(req.Context())
			return nil, req.Context().Err()
		}), policies...)
		req, _ := http.NewRequestWithContext(context.Background(), http.MethodGet, "http://a/", http.NoBody)
		if resp, err := door.RoundTrip(req); err == nil {
			_ = resp.Body.Close()
		}
	})...)
	documented(t, "interceptors/httpclient/doc.go", "no answer", rows)
}

// broken is a body that cannot be read.
type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errors.New("the file is gone") }

// serve starts a server on loopback.
func serve(t *testing.T, h http.HandlerFunc) (url string) {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server.URL
}

// proxied is what comes of a proxy that answers CONNECT so.
func proxied(t *testing.T, get func(base *http.Transport, target string, body io.Reader) holdfast.Result, statuses ...int) (all []holdfast.Result) {
	t.Helper()
	for _, status := range statuses {
		proxy := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })
		all = append(all, get(&http.Transport{Proxy: func(*http.Request) (*url.URL, error) { return url.Parse(proxy) }}, "https://a/", nil))
	}
	return all
}

// slotless is what comes of a request that waits for the only connection all its time.
func slotless(t *testing.T) holdfast.Result {
	t.Helper()
	target := serve(t, func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	transport := &http.Transport{MaxConnsPerHost: 1}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, target, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := httpclient.Wrap(transport).RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	return seen(t, func(policies ...holdfast.Policy) {
		if resp, err := httpclient.Wrap(transport, append(policies, limit(true, true))...).RoundTrip(req); err == nil {
			_ = resp.Body.Close()
		}
	})
}

// A brittle connection takes what is written until it is told not to.
type brittle struct {
	net.Conn
	breaks *atomic.Bool
}

func (c brittle) Write(p []byte) (int, error) {
	if c.breaks.Load() {
		return 0, &net.OpError{Op: "write", Err: syscall.EPIPE}
	}
	return c.Conn.Write(p)
}

// unwritten is what comes of a request whose kept connection takes nothing of it.
func unwritten(t *testing.T) holdfast.Result {
	t.Helper()
	target := serve(t, func(http.ResponseWriter, *http.Request) {})
	var breaks atomic.Bool
	transport := &http.Transport{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, network, addr)
		return brittle{c, &breaks}, err
	}}
	defer transport.CloseIdleConnections()
	post := func(policies ...holdfast.Policy) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, target, io.MultiReader(strings.NewReader("x")))
		if err != nil {
			t.Fatal(err)
		}
		if resp, err := httpclient.Wrap(transport, policies...).RoundTrip(req); err == nil {
			_ = resp.Body.Close()
		}
	}
	post()
	breaks.Store(true)
	return seen(t, post)
}
