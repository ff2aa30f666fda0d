package httpclient_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast/discovery"
	"github.com/holdfast-go/holdfast/holdfasttest"
	"github.com/holdfast-go/holdfast/interceptors/httpclient"
	"github.com/holdfast-go/holdfast/loadbalance"
	"github.com/holdfast-go/holdfast/timeout"
)

// A connection whose other side is gone without a word is given up within 20 s, and
// not after the quarter of an hour that TCP takes: over HTTP/1.1 with the request that
// runs out of time, over HTTP/2 since it is asked whether it lives.
func TestAHalfOpenConnectionIsGivenUp(t *testing.T) {
	for _, c := range []struct{ http2, own bool }{{false, false}, {true, false}, {true, true}} {
		http2 := c.http2
		t.Run(fmt.Sprintf("HTTP/2 %v, its own way %v", http2, c.own), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				network := new(holdfasttest.Network)
				first, err := network.Listen("first:80")
				if err != nil {
					t.Fatal(err)
				}
				others, err := network.Listen("others:80")
				if err != nil {
					t.Fatal(err)
				}
				protocols := new(http.Protocols)
				protocols.SetHTTP1(!http2)
				protocols.SetUnencryptedHTTP2(http2)
				server := &http.Server{Protocols: protocols, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") })} //nolint:gosec // no header is slow in here
				var served sync.WaitGroup
				served.Go(func() { _ = server.Serve(first) })
				served.Go(func() { _ = server.Serve(others) })
				defer func() { _ = server.Close(); served.Wait() }()
				var dials atomic.Int64
				base := &http.Transport{Protocols: protocols, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
					if dials.Add(1) == 1 {
						return network.Dial(ctx, "first:80")
					}
					return network.Dial(ctx, "others:80")
				}}
				if c.own {
					base.HTTP2 = &http.HTTP2Config{SendPingTimeout: 40 * time.Second, PingTimeout: time.Second}
				}
				set := loadbalance.New(discovery.Static("10.0.0.1:80"), nil, loadbalance.Options{Eject: loadbalance.EjectOptions{BaseDuration: -1}})
				defer set.Close()
				client := &http.Client{Transport: httpclient.Wrap(base, set, timeout.New(timeout.Options{Limit: 2 * time.Second}))}
				defer client.CloseIdleConnections()
				get200(t, client, "http://users.test/")
				network.Set("first:80", holdfasttest.Conditions{Stall: true})
				start := time.Now()
				for {
					resp, err := client.Get("http://users.test/") //nolint:noctx // a limit is set by the policy
					if err == nil {
						_ = resp.Body.Close()
						break
					}
					time.Sleep(100 * time.Millisecond)
					if time.Since(start) > time.Minute {
						t.Fatal("it is still used after a minute")
					}
				}
				if took := time.Since(start); (took > 20*time.Second) != c.own {
					t.Errorf("given up after %v", took)
				}
				if dials.Load() != 2 {
					t.Errorf("%d connections", dials.Load())
				}
				network.Set("first:80", holdfasttest.Conditions{})
			})
		})
	}
}

// A connection that has had its time closes after its last request, and breaks none;
// connections do not all end at once.
func TestConnectionsAreRenewed(t *testing.T) {
	for _, c := range []struct{ secure, http2 bool }{{false, false}, {true, true}} {
		t.Run(fmt.Sprintf("HTTP/2 %v", c.http2), func(t *testing.T) {
			b := newBackend(t, c.secure, c.http2, func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) })
			base, scheme := &http.Transport{MaxIdleConnsPerHost: 64}, "http"
			if c.secure {
				base, scheme = trusting(b), "https"
			}
			set := loadbalance.New(discovery.Static(b.addr), nil, loadbalance.Options{})
			defer set.Close()
			client := &http.Client{Transport: httpclient.Wrapper{ConnLifetime: 100 * time.Millisecond}.Wrap(base, set)}
			defer client.CloseIdleConnections()
			sent := 0
			for start := time.Now(); time.Since(start) < time.Second; sent++ {
				req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, scheme+"://example.com/", strings.NewReader("hello"))
				if err != nil {
					t.Fatal(err)
				}
				resp, err := client.Do(req)
				if len(req.Header) > 0 {
					t.Fatalf("the caller's header: %v", req.Header)
				}
				if err != nil {
					t.Fatal(err)
				}
				text, err := io.ReadAll(resp.Body)
				_ = resp.Body.Close()
				if err != nil || string(text) != "hello" {
					t.Fatal(string(text), err)
				}
			}
			if _, ever := b.connections(); ever < 3 || ever > 14 || ever > sent/2 {
				t.Errorf("%d connections in a second for %d requests, want about ten", ever, sent)
			}
		})
	}
}

// Connections that Prewarm has opened are those that calls use.
func TestPrewarm(t *testing.T) {
	b := newBackend(t, true, false, func(w http.ResponseWriter, r *http.Request) {
		if r.Host != "example.com" {
			t.Errorf("asked for %s", r.Host)
		}
		<-time.After(20 * time.Millisecond) // so that each has a connection of its own
		_, _ = io.WriteString(w, "ok")
	})
	base := trusting(b)
	base.ForceAttemptHTTP2 = false
	set := loadbalance.New(discovery.Static(b.addr), nil, loadbalance.Options{})
	defer set.Close()
	door := httpclient.Wrap(base, set)
	client := &http.Client{Transport: door}
	defer client.CloseIdleConnections()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://example.com/", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = "" // as of a request that was written by hand
	if err := httpclient.Prewarm(t.Context(), door, req, 4, b.addr); err != nil {
		t.Fatal(err)
	}
	if open, ever := b.connections(); open != 4 || ever != 4 {
		t.Fatalf("%d connections of %d", open, ever)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() { get200(t, client, "https://example.com/") })
	}
	wg.Wait()
	if _, ever := b.connections(); ever != 4 {
		t.Errorf("%d connections, of which 4 were open before", ever)
	}
	if err := httpclient.Prewarm(t.Context(), door, req, 1, "127.0.0.1:1"); err == nil || !strings.Contains(err.Error(), "127.0.0.1:1") {
		t.Errorf("where nobody listens: %v", err)
	}
	if err := httpclient.Prewarm(t.Context(), base, req, 1); err == nil {
		t.Error("another RoundTripper can do that")
	}
}

// The transport's own bounds hold for each endpoint.
func TestMaxConnsPerHostHoldsForEachEndpoint(t *testing.T) {
	serve := func(w http.ResponseWriter, _ *http.Request) {
		<-time.After(5 * time.Millisecond)
		_, _ = io.WriteString(w, "ok")
	}
	a, b := newBackend(t, false, false, serve), newBackend(t, false, false, serve)
	set := loadbalance.New(discovery.Static(a.addr, b.addr), loadbalance.RoundRobin, loadbalance.Options{})
	defer set.Close()
	client := &http.Client{Transport: httpclient.Wrap(&http.Transport{MaxConnsPerHost: 2, MaxIdleConnsPerHost: 2}, set)}
	defer client.CloseIdleConnections()
	if failed := volley(t, client, 100, 20); failed > 0 {
		t.Errorf("%d calls failed", failed)
	}
	for _, one := range []*backend{a, b} {
		if _, ever := one.connections(); ever > 2 {
			t.Errorf("%d connections to one server, of 2 that may be", ever)
		}
	}
}

// The calls of an endpoint that is removed have Drain to end in.
func TestDrainIsBounded(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	b := newBackend(t, false, false, func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	})
	source := new(discovery.Source)
	source.Publish(1, discovery.Endpoint{Addr: b.addr})
	set := loadbalance.New(source, nil, loadbalance.Options{Drain: 50 * time.Millisecond})
	defer set.Close()
	client := &http.Client{Transport: httpclient.Wrap(&http.Transport{}, set)}
	defer client.CloseIdleConnections()
	ended := make(chan error, 1)
	go func() {
		_, err := client.Get("http://users.test/") //nolint:noctx // there is no answer
		ended <- err
	}()
	await(t, func() bool { return b.calls.Load() == 1 })
	source.Publish(2, discovery.Endpoint{Addr: "127.0.0.1:1"})
	select {
	case err := <-ended:
		if err == nil {
			t.Error("it was answered")
		}
	case <-time.After(10 * time.Second):
		t.Error("it goes on past Drain")
	}
}
