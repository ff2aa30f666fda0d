package httpclient_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/interceptors/httpclient"
)

// A brittle connection takes no more than so many bytes once it is told to.
type brittle struct {
	net.Conn
	mu    sync.Mutex
	armed bool
	left  int
}

func (c *brittle) take(left int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.armed, c.left = true, left
}

func (c *brittle) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.armed || c.left >= len(p) {
		c.left -= len(p)
		return c.Conn.Write(p)
	}
	n, _ := c.Conn.Write(p[:c.left])
	c.left = 0
	return n, &net.OpError{Op: "write", Net: "tcp", Err: syscall.EPIPE}
}

// brittleServer is a server with a Transport to it whose next to last connection can be
// made to break.
func brittleServer(t *testing.T, secure bool, got *[]string) (transport *http.Transport, url string, first func() *brittle) {
	t.Helper()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		*got = append(*got, fmt.Sprint(r.Method, " ", len(b), " ", err))
	}))
	if secure {
		server.StartTLS()
	} else {
		server.Start()
	}
	t.Cleanup(server.Close)
	var conns []*brittle
	transport = server.Client().Transport.(*http.Transport)
	transport.ForceAttemptHTTP2 = true // it does not know what the server will speak
	transport.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, network, server.Listener.Addr().String())
		b := &brittle{Conn: c}
		conns = append(conns, b)
		return b, err
	}
	t.Cleanup(transport.CloseIdleConnections)
	return transport, server.URL, func() *brittle { return conns[0] }
}

// A kept connection on which not a byte could be written is a failed dial: a POST is sent
// again, by net/http where it can have the body again, and by retry where it was kept.
func TestAKeptConnectionOnWhichNothingWasWritten(t *testing.T) {
	for _, secure := range []bool{false, true} {
		for body, open := range payloads(t, "order") {
			t.Run(fmt.Sprint("TLS ", secure, ", body ", body), func(t *testing.T) {
				var got []string
				var results []holdfast.Result
				base, url, first := brittleServer(t, secure, &got)
				client := &http.Client{Transport: httpclient.Wrap(base, quick(2), spy(&results))}
				get200(t, client, url)
				first().take(0)
				resp, err := client.Do(request(t, "POST", url, open()))
				if err != nil {
					t.Fatalf("%v; the server has had %q", err, got)
				}
				readAll(t, resp)
				if len(got) != 2 || !strings.HasPrefix(got[1], "POST") {
					t.Errorf("the server has had %q", got)
				}
				if kept := body == "stream" || body == "file"; kept && (len(results) != 3 || results[1].Class != holdfast.Refused || results[1].Code != holdfast.CodeReset) {
					t.Errorf("judged as %+v", results)
				}
			})
		}
	}
}

// One that breaks in the midst of the request is none, though net/http returns the very
// same error when it is in the midst of the body: the server may have acted.
func TestAConnectionThatBreaksInTheMidstOfARequest(t *testing.T) {
	for _, secure := range []bool{false, true} {
		for body, open := range payloads(t, strings.Repeat("0123456789", 20_000)) {
			for _, left := range []int{100, 1000, 5000, 50_000, 150_000} {
				if body == "none" && left > 100 {
					continue
				}
				t.Run(fmt.Sprint("TLS ", secure, ", body ", body, " after ", left), func(t *testing.T) {
					var got []string
					var results []holdfast.Result
					base, url, first := brittleServer(t, secure, &got)
					client := &http.Client{Transport: httpclient.Wrap(base, quick(2), spy(&results))}
					get200(t, client, url)
					results = nil
					first().take(left)
					req := request(t, "POST", url, open())
					req.Header.Set("X-Long", strings.Repeat("x", 300))
					resp, err := client.Do(req)
					if err == nil {
						readAll(t, resp)
					}
					// Of TLS not a record was whole, in the first cases.
					begun := !secure || left > 1000
					if begun && (err == nil || len(results) != 1 || results[0].Class != holdfast.Failure) {
						t.Errorf("%v after %d attempts, judged as %+v; the server has had %q", err, len(results), results, got)
					}
				})
			}
		}
	}
}
