package httpclient_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/breaker"
	"github.com/holdfast-go/holdfast/interceptors/httpclient"
	"github.com/holdfast-go/holdfast/timeout"
)

// A process without a port or a file descriptor left has sent nothing and blames nobody:
// any call is made again, with backoff, and the circuit does not hear of it.
func TestWhatThisProcessLacks(t *testing.T) {
	lacks := map[string]error{
		"ports":              &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.EADDRNOTAVAIL)},
		"ports of an own":    &net.OpError{Op: "dial", Err: os.NewSyscallError("bind", syscall.EADDRINUSE)},
		"descriptors":        &net.OpError{Op: "dial", Err: os.NewSyscallError("socket", syscall.EMFILE)},
		"of all":             &net.OpError{Op: "dial", Err: os.NewSyscallError("socket", syscall.ENFILE)},
		"buffers":            &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ENOBUFS)},
		"to look up":         &net.OpError{Op: "dial", Err: &net.DNSError{Err: "dial udp 10.0.0.1:53: socket: too many open files", Name: "a", Server: "10.0.0.1:53"}},
		"to reach its proxy": &net.OpError{Op: "proxyconnect", Err: &net.OpError{Op: "dial", Err: os.NewSyscallError("socket", syscall.EMFILE)}},
	}
	for name, lack := range lacks {
		synctest.Test(t, func(t *testing.T) {
			dials := 0
			transport, _ := inMemory(t, func(_ http.ResponseWriter, _ *http.Request) {})
			dial := transport.DialContext
			transport.DialContext = func(ctx context.Context, n, addr string) (net.Conn, error) {
				if dials++; dials < 3 {
					return nil, lack
				}
				return dial(ctx, n, addr)
			}
			circuit := breaker.New(breaker.Options{ConsecutiveFailures: 1})
			var results []holdfast.Result
			resp, err := httpclient.Wrap(over(transport, false), quick(3), circuit, spy(&results)).RoundTrip(request(t, "POST", "http://server.test/", strings.NewReader("order")))
			if err != nil || resp.StatusCode != 200 {
				t.Fatalf("%s: %v, %v", name, resp, err)
			}
			readAll(t, resp)
			for _, res := range results[:2] {
				if res.Class != holdfast.LocalShortage || res.Code != holdfast.CodeExhausted {
					t.Errorf("%s: judged as %v %s: %v", name, res.Class, res.Code, res.Err)
				}
			}
			if s := circuit.Status("server.test"); s.State != breaker.Closed || s.Failures != 0 {
				t.Errorf("%s: %+v", name, s)
			}
		})
	}
}

// The same errors of a connection that there was, or of a body, are no such lack.
func TestALackAfterTheDialIsNone(t *testing.T) {
	for name, c := range map[string]struct {
		err   error
		class holdfast.Class
	}{
		"a write": {&net.OpError{Op: "write", Err: os.NewSyscallError("write", syscall.ENOBUFS)}, holdfast.Failure},
		"a read":  {&net.OpError{Op: "read", Err: os.NewSyscallError("read", syscall.ENOBUFS)}, holdfast.Failure},
	} {
		var results []holdfast.Result
		rt := httpclient.Wrap(base(func(*http.Request) (*http.Response, error) { return nil, c.err }), quick(3), spy(&results))
		_, _ = rt.RoundTrip(request(t, "POST", "http://a/", nil))
		if len(results) != 1 || results[0].Class != c.class {
			t.Errorf("%s: judged as %+v", name, results)
		}
	}
}

// A dial that a deadline of its own ends is a server that is not there; one that is ended
// by the attempt's limit is judged as any attempt.
func TestADialThatTimesOut(t *testing.T) {
	for _, own := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			var results []holdfast.Result
			base := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				if own {
					time.Sleep(time.Second)
					return nil, &net.OpError{Op: "dial", Err: os.ErrDeadlineExceeded}
				}
				select { // net/http goes on dialling, for others
				case <-ctx.Done():
				case <-time.After(time.Minute):
				}
				return nil, &net.OpError{Op: "dial", Err: os.ErrDeadlineExceeded}
			}}
			_, err := httpclient.Wrap(base, quick(2), spy(&results), timeout.New(timeout.Options{Limit: 2 * time.Second})).RoundTrip(request(t, "POST", "http://a/", nil))
			want, code, attempts := holdfast.Refused, holdfast.CodeDial, 2
			if !own {
				want, code, attempts = holdfast.Failure, holdfast.CodeTimeout, 1
			}
			if err == nil || len(results) != attempts || results[0].Class != want || results[0].Code != code {
				t.Errorf("%v, judged as %+v", err, results)
			}
			time.Sleep(time.Minute)
		})
	}
}

// A body that is not as long as was said, or cannot be read, is the caller's own fault,
// by both protocols and wherever it comes from: it is not sent again, and the server is
// not to blame for what it makes of it.
func TestABodyThatDoesNotMatchItsLength(t *testing.T) {
	boom := errors.New("disk on fire")
	name := filepath.Join(t.TempDir(), "short")
	if err := os.WriteFile(name, []byte("short"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, http2 := range []bool{false, true} {
		server := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			if _, err := io.Copy(io.Discard, r.Body); err != nil {
				panic(http.ErrAbortHandler)
			}
		}))
		server.EnableHTTP2 = http2
		server.StartTLS()
		defer server.Close()
		base := server.Client().Transport
		for body, open := range map[string]func(*http.Request){
			"memory": func(r *http.Request) {
				r.Body, r.GetBody = io.NopCloser(strings.NewReader("short")), func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader("short")), nil }
			},
			"GetBody": func(r *http.Request) {
				r.Body, r.GetBody = bodyOf("short"), func() (io.ReadCloser, error) { return bodyOf("short"), nil }
			},
			"stream": func(r *http.Request) { r.Body = bodyOf("short") },
			"file": func(r *http.Request) {
				f, err := os.Open(name)
				if err != nil {
					t.Fatal(err)
				}
				r.Body = f
			},
			"unreadable": func(r *http.Request) {
				r.Body = &counted{Reader: io.MultiReader(strings.NewReader("sh"), &failing{boom})}
			},
			"unreadable GetBody": func(r *http.Request) {
				r.Body = &counted{Reader: &failing{boom}}
				r.GetBody = func() (io.ReadCloser, error) { return &counted{Reader: &failing{boom}}, nil }
			},
		} {
			for _, method := range []string{"POST", "PUT"} {
				for _, length := range []int64{3, 9} {
					if strings.HasPrefix(body, "unreadable") && length == 3 {
						continue
					}
					var results []holdfast.Result
					req := request(t, method, server.URL, nil)
					req.ContentLength = length
					open(req)
					resp, err := httpclient.Wrap(base, quick(3), spy(&results)).RoundTrip(req)
					if err == nil {
						_ = resp.Body.Close()
					}
					answered := length == 3 && err == nil // the server has what was announced, and net/http took its answer first
					if len(results) != 1 || results[0].Class != holdfast.LocalFault && !answered {
						t.Errorf("HTTP/2 %v, %s, %s of %d bytes: %v, judged as %+v", http2, method, body, length, err, results)
					}
				}
			}
		}
	}
}

// A handshake that breaks off before there is a connection to send on is a failed dial,
// also for a POST.
func TestAHandshakeThatBreaksOff(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = c.Read(make([]byte, 1000))
			_ = c.Close()
		}
	}()
	defer func() { _ = l.Close(); <-done }()
	for body, open := range payloads(t, "order") {
		var results []holdfast.Result
		base := &http.Transport{}
		_, err = httpclient.Wrap(base, quick(2), spy(&results)).RoundTrip(request(t, "POST", "https://"+l.Addr().String(), open()))
		if err == nil || len(results) != 2 || results[0].Class != holdfast.Refused {
			t.Errorf("body %s: %v, judged as %+v", body, err, results)
		}
	}
}

// A protocol that is registered with the base does not tell of its connections, and is not
// taken for one that had none.
func TestAProtocolOfOnesOwn(t *testing.T) {
	tr := &http.Transport{MaxConnsPerHost: 1, TLSNextProto: map[string]func(string, *tls.Conn) http.RoundTripper{}}
	tr.RegisterProtocol("https", base(func(*http.Request) (*http.Response, error) { return nil, errors.New("broke off in the midst") }))
	var results []holdfast.Result
	_, err := httpclient.Wrap(tr, quick(2), spy(&results)).RoundTrip(request(t, "POST", "https://a/", nil))
	if err == nil || len(results) != 1 || results[0].Class != holdfast.Failure {
		t.Errorf("%v, judged as %+v", err, results)
	}
}
