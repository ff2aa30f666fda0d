package httpclient_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast/breaker"
	"github.com/holdfast-go/holdfast/discovery"
	"github.com/holdfast-go/holdfast/interceptors/httpclient"
	"github.com/holdfast-go/holdfast/limit"
	"github.com/holdfast-go/holdfast/loadbalance"
	"github.com/holdfast-go/holdfast/retry"
	"github.com/holdfast-go/holdfast/timeout"
)

// A backend is a real server that counts its connections.
type backend struct {
	*httptest.Server
	addr  string
	calls atomic.Int64
	mu    sync.Mutex
	opens int
	open  map[net.Conn]bool
}

func newBackend(t *testing.T, secure, http2 bool, serve http.HandlerFunc) *backend {
	t.Helper()
	b := &backend{open: map[net.Conn]bool{}}
	b.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b.calls.Add(1)
		serve(w, r)
	}))
	b.Config.ConnState = func(c net.Conn, s http.ConnState) {
		b.mu.Lock()
		defer b.mu.Unlock()
		switch s {
		case http.StateNew:
			b.opens++
			b.open[c] = true
		case http.StateClosed, http.StateHijacked:
			delete(b.open, c)
		}
	}
	b.EnableHTTP2 = http2
	if secure {
		b.StartTLS()
	} else {
		b.Start()
	}
	t.Cleanup(b.Close)
	b.addr = b.Listener.Addr().String()
	return b
}

func (b *backend) connections() (open, ever int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.open), b.opens
}

// trusting is a transport that trusts the servers of httptest, whose certificate is
// for example.com and 127.0.0.1.
func trusting(b *backend) *http.Transport {
	pool := x509.NewCertPool()
	pool.AddCert(b.Certificate())
	return &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, ForceAttemptHTTP2: true, MaxIdleConnsPerHost: 64} //nolint:gosec // the default minimum
}

func get200(t *testing.T, c *http.Client, url string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := c.Do(req)
	if err != nil {
		t.Errorf("%s: %v", url, err)
		return ""
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Errorf("%s: %s %v", url, resp.Status, err)
	}
	return string(text)
}

// Over TLS a chosen endpoint is asked for, and checked, by the logical name; the
// Host, redirects and cookies are the name's too.
func TestChosenEndpointsKeepTheLogicalName(t *testing.T) {
	for _, c := range []struct{ secure, http2 bool }{{false, false}, {true, false}, {true, true}} {
		t.Run(fmt.Sprintf("TLS %v HTTP/2 %v", c.secure, c.http2), func(t *testing.T) {
			serve := func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/login" {
					http.SetCookie(w, &http.Cookie{Name: "who", Value: "me"})
					http.Redirect(w, r, "/home", http.StatusFound)
					return
				}
				cookie, _ := r.Cookie("who")
				sni := ""
				if r.TLS != nil {
					sni = r.TLS.ServerName
				}
				_, _ = fmt.Fprintf(w, "%s %s %v %d", r.Host, sni, cookie != nil && cookie.Value == "me", r.ProtoMajor)
			}
			a, b := newBackend(t, c.secure, c.http2, serve), newBackend(t, c.secure, c.http2, serve)
			set := loadbalance.New(discovery.Static(a.addr, b.addr), loadbalance.RoundRobin, loadbalance.Options{})
			defer set.Close()
			base := &http.Transport{}
			want, url := "example.com  true 1", "http://example.com/login"
			if c.secure {
				base = trusting(a)
				url, want = "https://example.com/login", "example.com example.com true 1"
			}
			if c.http2 {
				want = strings.TrimSuffix(want, "1") + "2"
			}
			defer base.CloseIdleConnections()
			door := httpclient.Wrap(base, set)
			defer door.(interface{ CloseIdleConnections() }).CloseIdleConnections()
			client := &http.Client{Transport: door, Jar: jar{}}
			for range 6 {
				if got := get200(t, client, url); got != want {
					t.Errorf("%q, want %q", got, want)
				}
			}
			if a.calls.Load() != 6 || b.calls.Load() != 6 {
				t.Errorf("%d and %d calls", a.calls.Load(), b.calls.Load())
			}
			if c.secure {
				if _, err := client.Get("https://elsewhere.org/"); err == nil || !strings.Contains(err.Error(), "certificate") {
					t.Errorf("a name that the certificate has not: %v", err)
				}
			}
		})
	}
}

// A jar keeps cookies by host.
type jar map[string][]*http.Cookie

func (j jar) SetCookies(u *url.URL, cookies []*http.Cookie) { j[u.Host] = cookies }
func (j jar) Cookies(u *url.URL) []*http.Cookie             { return j[u.Host] }

// T81: connections are used again as they are without us, under concurrency too. HTTP/1 is
// tried in virtual time: net/http gives up a connection whose writer a busy machine has not
// run for 50 ms after the answer.
func TestT81_ConnectionsAreReusedAsWithout(t *testing.T) {
	rounds := func(t *testing.T, rt http.RoundTripper, url string) {
		client := &http.Client{Transport: rt}
		for range 20 {
			var wg sync.WaitGroup
			for range 8 {
				wg.Go(func() { get200(t, client, url) })
			}
			wg.Wait()
		}
		client.CloseIdleConnections()
	}
	through := func(t *testing.T, base *http.Transport, addr string) http.RoundTripper {
		set := loadbalance.New(discovery.Static(addr), nil, loadbalance.Options{})
		t.Cleanup(set.Close)
		return httpclient.Wrap(base, timeout.New(timeout.Options{Limit: 10 * time.Second}), retry.New(retry.Options{}), breaker.New(breaker.Options{}), set)
	}
	t.Run("HTTP/1", func(t *testing.T) {
		for _, ours := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				base, dials := inMemory(t, func(w http.ResponseWriter, _ *http.Request) {
					time.Sleep(time.Millisecond) // so that eight are under way at once
					_, _ = io.WriteString(w, "ok")
				})
				base.MaxIdleConnsPerHost = 64
				if ours {
					rounds(t, through(t, base, "server.test:80"), "http://example.com")
				} else {
					rounds(t, base, "http://server.test")
				}
				if n := dials.Load(); n != 8 {
					t.Errorf("with us %v: %d connections for eight calls at once", ours, n)
				}
			})
		}
	})
	t.Run("HTTP/2", func(t *testing.T) {
		for _, ours := range []bool{false, true} {
			b := newBackend(t, true, true, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") })
			if base := trusting(b); ours {
				rounds(t, through(t, base, b.addr), "https://example.com")
			} else {
				rounds(t, base, "https://"+b.addr)
			}
			if _, n := b.connections(); n > 10 {
				t.Errorf("with us %v: %d connections", ours, n)
			}
		}
	})
}

// The connections of an endpoint that is removed are closed when its last call is
// over, those of others stay.
func TestConnectionsOfRemovedEndpointsAreClosed(t *testing.T) {
	release := make(chan struct{})
	serve := func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			<-release
		}
		_, _ = io.WriteString(w, "ok")
	}
	a, b := newBackend(t, false, false, serve), newBackend(t, false, false, serve)
	source := new(discovery.Source)
	source.Publish(1, discovery.Endpoint{Addr: a.addr}, discovery.Endpoint{Addr: b.addr})
	set := loadbalance.New(source, loadbalance.RoundRobin, loadbalance.Options{})
	defer set.Close()
	base := &http.Transport{MaxIdleConnsPerHost: 8}
	client := &http.Client{Transport: httpclient.Wrap(base, set)}
	defer client.CloseIdleConnections()
	for range 4 {
		get200(t, client, "http://users.test/")
	}
	var wg sync.WaitGroup
	for range 2 { // one at each
		wg.Go(func() { get200(t, client, "http://users.test/slow") })
	}
	await(t, func() bool { return a.calls.Load()+b.calls.Load() == 6 })
	source.Publish(2, discovery.Endpoint{Addr: b.addr})
	await(t, func() bool { return len(set.Nodes()) == 1 })
	if open, _ := a.connections(); open == 0 {
		t.Error("a connection was closed under its call")
	}
	close(release)
	wg.Wait()
	await(t, func() bool { open, _ := a.connections(); return open == 0 })
	if open, _ := b.connections(); open == 0 {
		t.Error("the connections of an endpoint that stays are closed")
	}
}

func await(t *testing.T, is func() bool) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for !is() {
		if time.Now().After(deadline) {
			t.Fatal("it does not come about")
		}
		<-time.After(time.Millisecond)
	}
}

// T76 over real connections: one dead endpoint of two, and nobody notices; also
// without retry.
func TestT76_ADeadEndpointIsNobodysLoss(t *testing.T) {
	b := newBackend(t, false, false, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") })
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dead := l.Addr().String()
	_ = l.Close()
	set := loadbalance.New(discovery.Static(b.addr, dead), loadbalance.RoundRobin, loadbalance.Options{})
	defer set.Close()
	client := &http.Client{Transport: httpclient.Wrap(&http.Transport{}, set)}
	defer client.CloseIdleConnections()
	for range 200 {
		get200(t, client, "http://users.test/")
	}
	if b.calls.Load() != 200 {
		t.Errorf("%d calls arrived", b.calls.Load())
	}
}

// limit's types guard single nodes.
var (
	_ loadbalance.Guard = (*limit.InFlight)(nil)
	_ loadbalance.Guard = (*limit.Rate)(nil)
)

// No server has more calls at once than its guard lets in, and its place comes back
// when the body is done.
func TestAGuardLimitsOneServer(t *testing.T) {
	var now, most atomic.Int64
	b := newBackend(t, false, false, func(w http.ResponseWriter, _ *http.Request) {
		most.Store(max(most.Load(), now.Add(1)))
		defer now.Add(-1)
		<-time.After(5 * time.Millisecond)
		_, _ = io.WriteString(w, "ok")
	})
	set := loadbalance.New(discovery.Static(b.addr), nil, loadbalance.Options{Guard: func(discovery.Endpoint) loadbalance.Guard {
		return limit.NewInFlight(limit.InFlightOptions{Max: 2})
	}})
	defer set.Close()
	client := &http.Client{Transport: httpclient.Wrap(&http.Transport{}, set)}
	defer client.CloseIdleConnections()
	for range 5 {
		volley(t, client, 20, 6)
	}
	if most.Load() > 2 {
		t.Errorf("%d calls at once", most.Load())
	}
	if failed := volley(t, client, 20, 1); failed > 0 {
		t.Errorf("%d of single calls find no place: one has not come back", failed)
	}
}
