package httpclient_test

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/interceptors/httpclient"
	"github.com/holdfast-go/holdfast/retry"
	"github.com/holdfast-go/holdfast/timeout"
)

// serve starts a server of both protocols over TLS and gives a client for each,
// through the policies.
func serve(t *testing.T, h http.HandlerFunc, policies ...holdfast.Policy) map[string]*http.Client {
	t.Helper()
	clients := map[string]*http.Client{}
	for _, proto := range []string{"HTTP/1.1", "HTTP/2.0"} {
		server := httptest.NewUnstartedServer(h)
		server.EnableHTTP2 = proto == "HTTP/2.0"
		server.StartTLS()
		t.Cleanup(server.Close)
		client := server.Client()
		client.Transport = at{server.URL, httpclient.Wrap(client.Transport, policies...)}
		clients[proto] = client
	}
	return clients
}

// at sends every request to one server.
type at struct {
	url string
	http.RoundTripper
}

func get(t *testing.T, client *http.Client, path string) *http.Request {
	t.Helper()
	return request(t, "GET", client.Transport.(at).url+path, nil)
}

// connect sees to it that there is a connection to be used.
func connect(t *testing.T, client *http.Client) {
	t.Helper()
	for {
		resp, err := client.Do(get(t, client, "/connect"))
		if err == nil {
			readAll(t, resp)
			return
		}
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
	}
}

// T6: the context of an attempt is cancelled only when the body is closed or read
// to its end, for both protocols and for bodies larger than any buffer.
func TestT06_TheBodyOutlivesTheAttempt(t *testing.T) {
	payload := make([]byte, 512<<10)
	_, _ = rand.Read(payload)
	var ctx context.Context
	spy := holdfast.PolicyFunc(func(next holdfast.Handler) holdfast.Handler {
		return func(c context.Context, call *holdfast.Call) holdfast.Result { ctx = c; return next(c, call) }
	})
	for proto, client := range serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(payload) },
		quick(3), timeout.New(timeout.Options{Limit: 10 * time.Second}), spy) {
		for _, early := range []bool{false, true} {
			resp, err := client.Do(get(t, client, "/"))
			if err != nil || resp.Proto != proto {
				t.Fatalf("%v, %v", resp, err)
			}
			if ctx.Err() != nil {
				t.Fatalf("%s: the attempt's context ended with its headers", proto)
			}
			if early {
				_ = resp.Body.Close()
			} else if got := readAll(t, resp); got != string(payload) {
				t.Errorf("%s: read %d of %d bytes", proto, len(got), len(payload))
			}
			if ctx.Err() == nil {
				t.Errorf("%s: the attempt's context outlives its body", proto)
			}
		}
	}
}

// T7: when the caller neither reads nor closes the body, the attempt's timer
// fires all the same and frees the connection.
func TestT07_AForgottenBodyFreesItsConnection(t *testing.T) {
	freed := make(chan struct{}, 2)
	for proto, client := range serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/connect" {
			return
		}
		_, _ = w.Write(make([]byte, 1000))
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done() // the server learns that the client has let go
		freed <- struct{}{}
	}, quick(3), timeout.New(timeout.Options{Limit: 50 * time.Millisecond})) {
		connect(t, client)
		resp, err := client.Do(get(t, client, "/"))
		if err != nil {
			t.Fatal(proto, err)
		}
		<-freed // the test's own time limit is what would end this
		_ = resp.Body.Close()
	}
}

// T8: a limit around the whole call covers the body; an attempt's limit cuts a
// body that stalls, and neither cuts one that only takes long.
func TestT08_LimitsCoverTheBody(t *testing.T) {
	handler := func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/connect" {
			return
		}
		c := http.NewResponseController(w)
		_, _ = io.WriteString(w, "begin")
		_ = c.Flush()
		if r.URL.Path == "/stall" {
			<-r.Context().Done()
			return
		}
		for range 20 { // 20 × 20 ms
			select {
			case <-time.After(20 * time.Millisecond):
			case <-r.Context().Done():
				return
			}
			_, _ = io.WriteString(w, "more")
			_ = c.Flush()
		}
	}
	for name, c := range map[string]struct {
		policies []holdfast.Policy
		path     string
		scope    string // of the limit that cuts; empty: none
	}{
		"whole, slow":     {[]holdfast.Policy{timeout.New(timeout.Options{Limit: 150 * time.Millisecond})}, "/slow", "call"},
		"whole, stalled":  {[]holdfast.Policy{timeout.New(timeout.Options{Limit: 150 * time.Millisecond})}, "/stall", "call"},
		"attempt, slow":   {[]holdfast.Policy{quick(1), timeout.New(timeout.Options{Limit: 250 * time.Millisecond})}, "/slow", ""},
		"attempt,stalled": {[]holdfast.Policy{quick(1), timeout.New(timeout.Options{Limit: 150 * time.Millisecond})}, "/stall", "idle"},
	} {
		t.Run(name, func(t *testing.T) {
			for proto, client := range serve(t, handler, c.policies...) {
				connect(t, client) // the time of a handshake is no part of what is tested
				resp, err := client.Do(get(t, client, c.path))
				if err != nil {
					t.Fatal(proto, err)
				}
				b, err := io.ReadAll(resp.Body)
				_ = resp.Body.Close()
				var limit *holdfast.TimeoutError
				switch {
				case c.scope == "" && (err != nil || len(b) != 85):
					t.Errorf("%s: a body that takes long was cut after %d bytes: %v", proto, len(b), err)
				case c.scope != "" && (!errors.As(err, &limit) || limit.Scope != c.scope || !errors.Is(err, context.DeadlineExceeded)):
					t.Errorf("%s: %d bytes, then %v; want the %s limit", proto, len(b), err, c.scope)
				}
			}
		})
	}
}

// A stream is cut by neither limit.
func TestAStreamIsNotCut(t *testing.T) {
	for proto, client := range serve(t, func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).Flush()
		select {
		case <-time.After(200 * time.Millisecond):
		case <-r.Context().Done():
		}
		_, _ = io.WriteString(w, "data: late\n\n")
	}, timeout.New(timeout.Options{Limit: 100 * time.Millisecond}), quick(1), timeout.New(timeout.Options{Limit: 50 * time.Millisecond})) {
		req := get(t, client, "/")
		req.Header.Set("Accept", "text/event-stream")
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(proto, err)
		}
		if got := readAll(t, resp); got != "data: late\n\n" {
			t.Errorf("%s: got %q", proto, got)
		}
	}
}

// T18: http.Client.Timeout around a retrying transport is seen: attempts stop.
func TestT18_ClientTimeoutBoundsTheWholeLoop(t *testing.T) {
	var sends atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		sends.Add(1)
		w.WriteHeader(503)
	}))
	defer server.Close()
	client := &http.Client{Timeout: 2 * time.Second, Transport: httpclient.Wrap(nil,
		retry.New(retry.Options{MaxAttempts: 100, InitialInterval: time.Hour, MaxInterval: time.Hour, Jitter: retry.Constant}))}
	resp, err := client.Do(request(t, "GET", server.URL, nil))
	if err != nil || resp.StatusCode != 503 || sends.Load() != 1 {
		t.Fatalf("%v, %v after %d sends; want the 503, since a wait of an hour does not fit", resp, err, sends.Load())
	}
	readAll(t, resp)
}

// R9: the time that is really left is what the server is told.
func TestR09_TheServerIsToldTheTimeLeft(t *testing.T) {
	var told []int
	w := httpclient.Wrapper{DeadlineHeader: "X-Left"}
	rt := w.Wrap(base(func(req *http.Request) (*http.Response, error) {
		ms, err := strconv.Atoi(req.Header.Get("X-Left"))
		if err != nil {
			t.Error(err)
		}
		told = append(told, ms)
		return response(req, 503, bodyOf("")), nil
	}), timeout.New(timeout.Options{Limit: time.Hour}), quick(2), timeout.New(timeout.Options{Limit: time.Minute}))
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if _, err := rt.RoundTrip(request(t, "GET", "http://a/", nil)); err != nil {
		t.Fatal(err)
	}
	if _, err := rt.RoundTrip(request(t, "GET", "http://a/", nil).WithContext(ctx)); err != nil {
		t.Fatal(err)
	}
	for i, most := range []int{60_000, 60_000, 30_000, 30_000} {
		if told[i] > most || told[i] < most-5_000 {
			t.Errorf("attempt %d: told %d ms, want what is left of %d", i+1, told[i], most)
		}
	}
}

// T27 through the door: an attempt that hangs is given up and made again.
func TestT27_AHangingAttemptIsMadeAgain(t *testing.T) {
	var sends atomic.Int32
	for proto, client := range serve(t, func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/connect" && sends.Add(1)%2 == 1 {
			<-r.Context().Done()
		}
	}, timeout.New(timeout.Options{Limit: 10 * time.Second}), quick(3), timeout.New(timeout.Options{Limit: 100 * time.Millisecond})) {
		connect(t, client)
		sends.Store(0)
		resp, err := client.Do(get(t, client, "/"))
		if err != nil || resp.StatusCode != 200 || sends.Load() != 2 {
			t.Fatalf("%s: %v, %v after %d sends", proto, resp, err, sends.Load())
		}
		readAll(t, resp)
		if l := holdfast.LedgerOf(resp.Request.Context()); l.Attempts[0].Code != "timeout" {
			t.Errorf("%s: ledger %v", proto, l)
		}
	}
}

// An idle TCP listener that never answers: what is reported is our limit.
func TestAHangingServerIsReportedAsOurLimit(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, err = (&http.Client{Transport: httpclient.Wrap(nil, timeout.New(timeout.Options{Limit: 50 * time.Millisecond}))}).Do(request(t, "GET", "http://"+l.Addr().String(), nil))
	var limit *holdfast.TimeoutError
	var timeout net.Error
	if !errors.As(err, &limit) || limit.Scope != "call" || !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Errorf("got %v", err)
	}
}
