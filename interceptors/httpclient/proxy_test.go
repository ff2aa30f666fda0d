package httpclient_test

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/interceptors/httpclient"
)

// connectProxy answers the first CONNECT with a status line and connects afterwards.
func connectProxy(t *testing.T, first, to string) (proxy string, connects *atomic.Int32) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	connects = new(atomic.Int32)
	var conns sync.WaitGroup
	serve := func(c net.Conn) {
		defer func() { _ = c.Close() }()
		for head := []byte{}; len(head) < 4 || string(head[len(head)-4:]) != "\r\n\r\n"; {
			one := make([]byte, 1)
			if _, err := c.Read(one); err != nil {
				return
			}
			head = append(head, one...)
		}
		if connects.Add(1) == 1 {
			_, _ = io.WriteString(c, first)
			return
		}
		server, err := net.Dial("tcp", to)
		if err != nil {
			return
		}
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n")
		conns.Go(func() { defer func() { _ = server.Close() }(); _, _ = io.Copy(server, c) })
		_, _ = io.Copy(c, server)
	}
	conns.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			conns.Go(func() { serve(c) })
		}
	})
	t.Cleanup(func() { _ = l.Close(); conns.Wait() })
	return "http://" + l.Addr().String(), connects
}

// A proxy that cannot connect is a dial that failed, for any method; what it holds against
// the request will be the same next time, and is not of the server.
func TestWhatAProxyAnswersToCONNECT(t *testing.T) {
	for line, want := range map[string]struct {
		class holdfast.Class
		code  holdfast.Code
	}{
		"502 Bad Gateway": {holdfast.Refused, holdfast.CodeProxy}, "503 Service Unavailable": {holdfast.Refused, holdfast.CodeProxy},
		"504 Gateway Timeout": {holdfast.Refused, holdfast.CodeProxy}, "502 Proxy Error": {holdfast.Refused, holdfast.CodeProxy},
		"503 Service Temporarily Unavailable": {holdfast.Refused, holdfast.CodeProxy}, "504 Gateway Time-out": {holdfast.Refused, holdfast.CodeProxy},
		"502": {holdfast.Refused, holdfast.CodeProxy}, "502 ": {holdfast.Refused, holdfast.CodeProxy}, "500 Internal Server Error": {holdfast.Refused, holdfast.CodeProxy},
		"429 Too Many Requests": {holdfast.Refused, holdfast.CodeProxy}, "503 in its own words": {holdfast.Refused, holdfast.CodeDial},
		"403 Forbidden": {holdfast.LocalFault, holdfast.CodeProxy}, "407 Proxy Authentication Required": {holdfast.LocalFault, holdfast.CodeProxy},
		"400 Bad Request": {holdfast.LocalFault, holdfast.CodeProxy}, "302 Found": {holdfast.LocalFault, holdfast.CodeProxy},
	} {
		for body, open := range payloads(t, "order") {
			t.Run(line+", body "+body, func(t *testing.T) {
				var posts atomic.Int32
				server := httptest.NewTLSServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
					b, _ := io.ReadAll(r.Body)
					posts.Add(1)
					if body != "none" && string(b) != "order" {
						t.Errorf("got %q", b)
					}
				}))
				defer server.Close()
				proxy, connects := connectProxy(t, "HTTP/1.1 "+line+"\r\nContent-Length: 0\r\n\r\n", server.Listener.Addr().String())
				base := server.Client().Transport.(*http.Transport)
				base.ForceAttemptHTTP2 = true
				base.Proxy = func(*http.Request) (*url.URL, error) { return url.Parse(proxy) }
				defer base.CloseIdleConnections()
				var results []holdfast.Result
				resp, err := httpclient.Wrap(base, quick(2), spy(&results)).RoundTrip(request(t, "POST", server.URL, open()))
				sends := int32(1)
				if want.class == holdfast.Refused {
					sends = 2
				}
				if connects.Load() != sends || posts.Load() != sends-1 || (err == nil) != (sends == 2) {
					t.Errorf("%v after %d CONNECTs; the server had %d", err, connects.Load(), posts.Load())
				}
				if err == nil {
					readAll(t, resp)
				}
				if results[0].Class != want.class || results[0].Code != want.code {
					t.Errorf("judged as %v %s: %v", results[0].Class, results[0].Code, results[0].Err)
				}
			})
		}
	}
}
