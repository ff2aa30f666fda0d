package httpclient_test

import (
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/breaker"
	"github.com/holdfast-go/holdfast/discovery"
	"github.com/holdfast-go/holdfast/interceptors/httpclient"
	"github.com/holdfast-go/holdfast/loadbalance"
)

// After 421 a request goes out again on another connection, whatever its method, over
// HTTP/1 and HTTP/2, through a base that is in use already, and to a chosen endpoint; the
// connection that is there stays in use for others.
func TestA421IsSentAgainOnAnotherConnection(t *testing.T) {
	for _, http2 := range []bool{false, true} {
		for _, balanced := range []bool{false, true} {
			for body, open := range payloads(t, "order") {
				t.Run(fmt.Sprint("HTTP/2 ", http2, ", balanced ", balanced, ", body ", body), func(t *testing.T) {
					var mu sync.Mutex
					var conns, bodies []string
					server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						b, _ := io.ReadAll(r.Body)
						mu.Lock()
						defer mu.Unlock()
						if r.Method == http.MethodGet {
							return
						}
						conns, bodies = append(conns, r.RemoteAddr), append(bodies, string(b))
						if len(conns) > 1 && conns[0] == r.RemoteAddr || len(conns) == 1 {
							w.WriteHeader(http.StatusMisdirectedRequest)
						}
					}))
					server.EnableHTTP2 = http2
					server.StartTLS()
					defer server.Close()
					trusts := server.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
					base := new(http.Transport) // as net/http sets it up by itself: of HTTP/2, too
					if !http2 {
						base.TLSNextProto = map[string]func(string, *tls.Conn) http.RoundTripper{}
					}
					base.Clone() // in use already
					if base.TLSClientConfig == nil {
						base.TLSClientConfig = new(tls.Config)
					}
					base.TLSClientConfig.RootCAs = trusts
					defer base.CloseIdleConnections()
					policies := []holdfast.Policy{quick(3)}
					url := server.URL
					if balanced {
						set := loadbalance.New(discovery.Static(server.Listener.Addr().String()), nil, loadbalance.Options{})
						defer set.Close()
						policies, url = append(policies, set), "https://example.com"
					}
					client := &http.Client{Transport: httpclient.Wrap(base, policies...)}
					defer client.CloseIdleConnections()
					get200(t, client, url)
					resp, err := client.Do(request(t, "POST", url, open()))
					if err != nil || resp.StatusCode != 200 || (resp.ProtoMajor == 2) != http2 {
						t.Fatalf("%v, %v; %q", resp, err, conns)
					}
					readAll(t, resp)
					if len(conns) != 2 || conns[0] == conns[1] || bodies[0] != bodies[1] {
						t.Errorf("connections %q, bodies %q", conns, bodies)
					}
					get200(t, client, url)
				})
			}
		}
	}
}

// A server that stays with its 421 has the last word, after as many connections as there
// were attempts, and its circuit does not open.
func TestA421ThatStays(t *testing.T) {
	for _, http2 := range []bool{false, true} {
		conns := map[string]bool{}
		server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			conns[r.RemoteAddr] = true
			w.WriteHeader(http.StatusMisdirectedRequest)
			_, _ = io.WriteString(w, "not here")
		}))
		server.EnableHTTP2 = http2
		server.StartTLS()
		base := server.Client().Transport.(*http.Transport)
		base.MaxConnsPerHost = 1
		circuit := breaker.New(breaker.Options{ConsecutiveFailures: 1})
		var results []holdfast.Result
		resp, err := httpclient.Wrap(base, quick(4), circuit, spy(&results)).RoundTrip(request(t, "POST", server.URL, strings.NewReader("x")))
		if err != nil || resp.StatusCode != 421 || readAll(t, resp) != "not here" || len(results) != 4 || len(conns) != 4 {
			t.Errorf("%v, %v after %d attempts on %d connections", resp, err, len(results), len(conns))
		}
		for _, res := range results {
			if res.Class != holdfast.Conflict {
				t.Errorf("judged as %+v", res)
			}
		}
		server.Close()
	}
}

// Wrap leaves a base alone that its user goes on to set up: net/http fills in what is left
// out when it is first used, or copied.
func TestWrapLeavesTheBaseAlone(t *testing.T) {
	base := new(http.Transport)
	rt := httpclient.Wrap(base, quick(2))
	if base.TLSNextProto != nil || base.TLSClientConfig != nil {
		t.Fatal("it was filled in")
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, _ *http.Request) {}))
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	base.TLSClientConfig, base.ForceAttemptHTTP2 = server.Client().Transport.(*http.Transport).TLSClientConfig.Clone(), true
	defer base.CloseIdleConnections()
	resp, err := rt.RoundTrip(request(t, "POST", server.URL, nil))
	if err != nil || resp.ProtoMajor != 2 {
		t.Fatalf("%v, %v", resp, err)
	}
	readAll(t, resp)
}
