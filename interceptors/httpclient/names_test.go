package httpclient_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/discovery"
	"github.com/holdfast-go/holdfast/interceptors/httpclient"
	"github.com/holdfast-go/holdfast/loadbalance"
)

// secured starts a server whose certificate is good for *.example.com, and returns a client to
// it through base, whatever the name, and how many connections are open.
func secured(t *testing.T, change func(*http.Transport), policies ...holdfast.Policy) (get func(name string) error, client *http.Client, open *atomic.Int64) {
	open = new(atomic.Int64)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "x") }))
	server.Config.ConnState = connections(open)
	server.StartTLS()
	t.Cleanup(server.Close)
	set := loadbalance.New(discovery.Static(server.Listener.Addr().String()), nil, loadbalance.Options{})
	t.Cleanup(set.Close)
	base, _ := server.Client().Transport.(*http.Transport)
	change(base)
	client = &http.Client{Transport: httpclient.Wrap(base, append(policies, set)...)}
	return func(name string) error {
		resp, err := client.Get("https://" + name + "/")
		if err == nil {
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
		}
		return err
	}, client, open
}

// A name is one however it is written, and connections that are idle make room for other names:
// whoever sends a client around from name to name keeps it from none.
func TestNamesThatAreIdleMakeRoom(t *testing.T) {
	get, client, open := secured(t, func(*http.Transport) {})
	for i := range 20 {
		name := []byte("example.com")
		for bit := range 4 {
			if i>>bit&1 == 1 {
				name[bit] -= 'a' - 'A'
			}
		}
		if err := get(string(name) + strings.Repeat(".", i/16)); err != nil {
			t.Fatal(err)
		}
	}
	if n := open.Load(); n != 1 {
		t.Errorf("%d connections to one name", n)
	}
	for i := range 300 {
		if err := get(fmt.Sprintf("name%d.example.com", i)); err != nil {
			t.Fatal(err)
		}
	}
	if n := open.Load(); n > 256 {
		t.Errorf("%d connections", n)
	}
	client.CloseIdleConnections()
	await(t, func() bool { return open.Load() == 0 })
}

// A base that dials TLS by itself makes connections that are not seen; they are closed with their
// name's place, and no later than with the client.
func TestConnectionsThatAreNotSeenAreClosedToo(t *testing.T) {
	for name, end := range map[string]func(*http.Client, *holdfast.Gate){
		"idle": func(c *http.Client, _ *holdfast.Gate) { c.CloseIdleConnections() }, "shutdown": func(_ *http.Client, g *holdfast.Gate) { _ = g.Shutdown(context.Background()) },
	} {
		var gate holdfast.Gate
		get, client, open := secured(t, func(base *http.Transport) {
			dialer := &tls.Dialer{Config: base.TLSClientConfig.Clone()}
			dialer.Config.ServerName = "example.com"
			base.DialTLSContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
				return dialer.DialContext(ctx, network, addr)
			}
		}, &gate)
		for i := range 300 {
			if err := get(fmt.Sprintf("name%d.test", i)); err != nil {
				t.Fatal(err)
			}
		}
		await(t, func() bool { return open.Load() <= 256 })
		end(client, &gate)
		if await(t, func() bool { return open.Load() == 0 }); t.Failed() {
			t.Fatal(name)
		}
	}
}
