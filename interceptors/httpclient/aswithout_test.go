package httpclient_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/http/httputil"
	"net/url"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/interceptors/httpclient"
	"github.com/holdfast-go/holdfast/timeout"
)

// standard is a list of policies that all do something.
func standard() []holdfast.Policy {
	return []holdfast.Policy{timeout.New(timeout.Options{Limit: 10 * time.Second}), quick(3), timeout.New(timeout.Options{Limit: 5 * time.Second})}
}

// T16: a 101 response's body is still a connection in both directions, also
// through a ReverseProxy.
func TestT16_UpgradesStayConnections(t *testing.T) {
	echo := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") != "echo" {
			http.Error(w, "no upgrade", http.StatusBadRequest)
			return
		}
		c, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer c.Close()
		_, _ = rw.WriteString("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
		_ = rw.Flush()
		_, _ = io.Copy(c, rw)
	}))
	defer echo.Close()
	target, _ := url.Parse(echo.URL)
	proxy := httptest.NewServer(&httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(target) },
		Transport: httpclient.Wrap(nil, timeout.New(timeout.Options{Limit: 50 * time.Millisecond}), quick(3), timeout.New(timeout.Options{Limit: 20 * time.Millisecond})),
	})
	defer proxy.Close()
	for name, c := range map[string]struct {
		url    string
		client http.RoundTripper
	}{
		"direct":          {echo.URL, httpclient.Wrap(nil, timeout.New(timeout.Options{Limit: 50 * time.Millisecond}), quick(3))},
		"through a proxy": {proxy.URL, http.DefaultTransport},
	} {
		req := request(t, "GET", c.url, nil)
		req.Header.Set("Connection", "Upgrade")
		req.Header.Set("Upgrade", "echo")
		resp, err := c.client.RoundTrip(req)
		if err != nil || resp.StatusCode != 101 {
			t.Fatalf("%s: %v, %v", name, resp, err)
		}
		conn, ok := resp.Body.(io.ReadWriteCloser)
		if !ok {
			t.Fatalf("%s: a %T cannot be written to", name, resp.Body)
		}
		r := bufio.NewReader(conn)
		for i := range 3 {
			<-time.After(time.Duration(i) * 40 * time.Millisecond) // longer than any limit
			if _, err := fmt.Fprintln(conn, "line", i); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if got, err := r.ReadString('\n'); got != fmt.Sprintln("line", i) {
				t.Fatalf("%s: read %q, %v", name, got, err)
			}
		}
		_ = conn.Close()
	}
}

// T17: redirects are http.Client's: what is inside a Transport follows none.
func TestT17_RedirectsAreNotFollowedInside(t *testing.T) {
	server := httptest.NewServer(http.RedirectHandler("/elsewhere", http.StatusFound))
	defer server.Close()
	resp, err := httpclient.Wrap(nil, standard()...).RoundTrip(request(t, "GET", server.URL, nil))
	if err != nil || resp.StatusCode != http.StatusFound || resp.Header.Get("Location") != "/elsewhere" {
		t.Fatalf("%v, %v", resp, err)
	}
	readAll(t, resp)
}

// What a caller can see is the same with and without us: status, headers,
// trailers, lengths, cookies, the final URL, the trace of a connection.
func TestEverythingIsAsWithoutUs(t *testing.T) {
	var other *httptest.Server
	mux := http.NewServeMux()
	mux.HandleFunc("/plain", func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Method+r.Host[:4]) })
	mux.HandleFunc("/empty", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("/204", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) })
	mux.HandleFunc("/404", http.NotFound)
	mux.HandleFunc("/500", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "broken", 500) })
	mux.HandleFunc("/503", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "later", 503) })
	mux.HandleFunc("/trailer", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Trailer", "X-Sum")
		_, _ = io.WriteString(w, "body")
		w.Header().Set("X-Sum", "42")
	})
	mux.HandleFunc("/hints", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Link", "</a.css>")
		w.WriteHeader(http.StatusEarlyHints)
		_, _ = io.WriteString(w, "after hints")
	})
	mux.HandleFunc("/redirect", func(w http.ResponseWriter, r *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: "c", Value: "1"})
		http.Redirect(w, r, "/credentials", http.StatusFound)
	})
	mux.HandleFunc("/away", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, strings.Replace(other.URL, "127.0.0.1", "localhost", 1)+"/credentials", http.StatusFound)
	})
	mux.HandleFunc("/credentials", func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprint(w, r.Header.Get("Authorization"), "|", r.Header.Get("Cookie"), "|", r.Header.Get("X-Api-Key"))
	})
	mux.HandleFunc("/expect", func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) })
	for _, http2 := range []bool{false, true} {
		server := httptest.NewUnstartedServer(mux)
		server.EnableHTTP2 = http2
		server.StartTLS()
		other = httptest.NewServer(mux)

		see := func(client *http.Client, method, path, body string) string {
			var trace []string
			ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
				GetConn:              func(string) { trace = append(trace, "GetConn") },
				GotConn:              func(i httptrace.GotConnInfo) { trace = append(trace, fmt.Sprint("GotConn reused ", i.Reused)) },
				GotFirstResponseByte: func() { trace = append(trace, "first byte") },
				Got1xxResponse:       nil,
				Got100Continue:       func() { trace = append(trace, "continue") },
			})
			req := request(t, method, server.URL+path, nil).WithContext(ctx)
			if body != "" {
				req.Body, req.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
				req.Header.Set("Expect", "100-continue")
			}
			req.Header.Set("Authorization", "Bearer secret")
			req.Header.Set("X-Api-Key", "key")
			resp, err := client.Do(req)
			if err != nil {
				return "error " + strings.ReplaceAll(err.Error(), server.URL, "")
			}
			b, err := io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			resp.Header.Del("Date")
			return fmt.Sprint(resp.Status, resp.Proto, resp.Header, resp.Trailer, resp.ContentLength, resp.TransferEncoding, resp.Uncompressed,
				" ", resp.Request.URL.Path, resp.Request.Method, resp.TLS != nil, string(b), err, trace)
		}
		for _, c := range []struct{ method, path, body string }{
			{"GET", "/plain", ""}, {"HEAD", "/plain", ""}, {"OPTIONS", "/plain", ""}, {"POST", "/plain", ""}, {"GET", "/empty", ""},
			{"GET", "/204", ""}, {"GET", "/404", ""}, {"GET", "/500", ""}, {"POST", "/503", ""}, {"GET", "/trailer", ""}, {"GET", "/hints", ""},
			{"GET", "/redirect", ""}, {"GET", "/away", ""}, {"PUT", "/expect", "payload"}, {"POST", "/redirect", ""},
		} {
			for _, warm := range []bool{false, true} {
				fresh := func(wrap bool) *http.Client {
					client := server.Client()
					transport := client.Transport.(*http.Transport).Clone()
					transport.ExpectContinueTimeout = time.Minute
					t.Cleanup(transport.CloseIdleConnections)
					jar := &http.Client{Transport: transport, Jar: newJar()}
					if wrap {
						jar.Transport = httpclient.Wrap(transport, standard()...)
					}
					if warm {
						see(jar, "GET", "/plain", "")
					}
					return jar
				}
				without, with := see(fresh(false), c.method, c.path, c.body), see(fresh(true), c.method, c.path, c.body)
				if without != with {
					t.Errorf("%s %s:\nwithout us %s\nwith us    %s", c.method, c.path, without, with)
				}
			}
		}
		server.Close()
		other.Close()
	}
}

// A response to a single attempt has the caller's own request.
func TestTheResponsesRequestIsTheCallersOwn(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	for _, policies := range [][]holdfast.Policy{nil, standard()} {
		req := request(t, "GET", server.URL, nil)
		resp, err := httpclient.Wrap(nil, policies...).RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		if resp.Request != req {
			t.Error("resp.Request is another request")
		}
		if l := holdfast.LedgerOf(resp.Request.Context()); len(l.Attempts) != 0 {
			t.Errorf("ledger %v", l)
		}
		readAll(t, resp)
	}
}

func TestCloseIdleConnectionsReachesTheBase(t *testing.T) {
	n := 0
	client := &http.Client{Transport: httpclient.Wrap(idle{&n})}
	client.CloseIdleConnections()
	if n != 1 {
		t.Errorf("called %d times", n)
	}
	(&http.Client{Transport: httpclient.Wrap(base(nil))}).CloseIdleConnections() // a base that has none
}

type idle struct{ n *int }

func (idle) RoundTrip(*http.Request) (*http.Response, error) { return nil, errors.New("no") }
func (i idle) CloseIdleConnections()                         { *i.n++ }

// T88 for the door with all its policies: after a thousand calls of every ending,
// goroutines are back at the baseline.
func TestT88_NothingIsLeftAfterAThousandCalls(t *testing.T) {
	var n atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		switch n.Add(1) % 5 {
		case 0:
			w.WriteHeader(503)
		case 1:
			w.WriteHeader(204)
		}
		_, _ = w.Write(make([]byte, 2000))
	}))
	transport := &http.Transport{MaxIdleConnsPerHost: 20}
	rt := httpclient.Wrap(transport, standard()...)
	run := func(calls int) {
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				for i := range calls / 10 {
					ctx, cancel := context.WithCancel(t.Context())
					req := request(t, "PUT", server.URL, bodyOf("some body")).WithContext(ctx)
					resp, err := rt.RoundTrip(req)
					if err == nil && i%3 > 0 { // a third is cancelled and never closed
						if i%3 == 1 {
							_, _ = io.Copy(io.Discard, resp.Body)
						}
						_ = resp.Body.Close()
					}
					cancel()
				}
			})
		}
		wg.Wait()
		transport.CloseIdleConnections()
	}
	run(100)
	server.CloseClientConnections()
	before := settled(0)
	run(1000)
	server.CloseClientConnections()
	if after := settled(before); after > before {
		buf := make([]byte, 1<<20)
		t.Errorf("%d goroutines, %d before\n%s", after, before, buf[:runtime.Stack(buf, true)])
	}
	server.Close()
}

// settled waits until there are no more goroutines than wanted, or their number
// has long stayed the same.
func settled(want int) int {
	last, same := 0, 0
	for same < 200 {
		n := runtime.NumGoroutine()
		if want > 0 && n <= want {
			return n
		}
		if n == last {
			same++
		} else {
			last, same = n, 0
		}
		<-time.After(time.Millisecond)
	}
	return last
}
