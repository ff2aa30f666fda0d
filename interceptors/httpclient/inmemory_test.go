package httpclient_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/hedge"
	"github.com/holdfast-go/holdfast/interceptors/httpclient"
)

// A writes connection counts how often it is written to.
type writes struct {
	net.Conn
	n *atomic.Int32
}

func (w writes) Write(p []byte) (int, error) {
	w.n.Add(1)
	return w.Conn.Write(p)
}

// A request whose body is in memory is one write over HTTP/1, as it is without us, whether or
// not it has GetBody, and each time that it is sent. (HTTP/2 has frames for both, with us and
// without.)
func TestABodyInMemoryIsOneWrite(t *testing.T) {
	const payload = "a payload that is in memory"
	bodies := map[string]func() io.Reader{
		"bytes.Reader":   func() io.Reader { return bytes.NewReader([]byte(payload)) },
		"bytes.Buffer":   func() io.Reader { return bytes.NewBufferString(payload) },
		"strings.Reader": func() io.Reader { return strings.NewReader(payload) },
		"half read":      func() io.Reader { r := strings.NewReader("half" + payload); _, _ = r.Seek(4, io.SeekStart); return r },
	}
	policies := map[string]func() []holdfast.Policy{
		"none": func() []holdfast.Policy { return nil }, "standard": standard, "sent again": func() []holdfast.Policy { return []holdfast.Policy{quick(3)} },
		"hedged": func() []holdfast.Policy { return []holdfast.Policy{hedge.New(hedge.Options{Delay: 1, Share: -1})} },
	}
	for kind, body := range bodies {
		for list, made := range policies {
			for _, c := range []struct {
				getBody bool
				method  string
			}{{true, "POST"}, {false, "POST"}, {true, "PUT"}, {false, "PUT"}} {
				t.Run(fmt.Sprintf("%s, %s, %+v", kind, list, c), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						count := func(wrap func(http.RoundTripper) http.RoundTripper) (written, asked int32) {
							var requests atomic.Int32
							transport, _ := inMemory(t, func(w http.ResponseWriter, r *http.Request) {
								if got, err := io.ReadAll(r.Body); string(got) != payload || err != nil {
									t.Errorf("the server got %q, %v", got, err)
								}
								if requests.Add(1) == 1 && list == "sent again" && r.Header.Get("Bare") == "" && c.method == "PUT" {
									w.WriteHeader(503)
								}
							})
							var n atomic.Int32
							dial := transport.DialContext
							transport.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
								conn, err := dial(ctx, network, addr)
								return writes{conn, &n}, err
							}
							rt := wrap(over(transport, false))
							for range 2 { // the second on a connection that is there, and knows what it speaks
								n.Store(0)
								requests.Store(0)
								req := request(t, c.method, "http://server.test/", body())
								if _, plain := rt.(*http.Transport); plain {
									req.Header.Set("Bare", "1")
								}
								if !c.getBody {
									req.GetBody = nil
								}
								resp, err := rt.RoundTrip(req)
								if err != nil || resp.StatusCode != 200 {
									t.Fatal(resp, err)
								}
								readAll(t, resp)
								synctest.Wait()
							}
							return n.Load(), requests.Load()
						}
						bare, _ := count(func(rt http.RoundTripper) http.RoundTripper { return rt })
						ours, asked := count(func(rt http.RoundTripper) http.RoundTripper { return httpclient.Wrap(rt, made()...) })
						if bare != 1 {
							t.Errorf("without us it takes %d writes", bare)
						}
						if ours > bare*asked {
							t.Errorf("%d requests took %d writes; without us one takes %d", asked, ours, bare)
						}
					})
				})
			}
		}
	}
}

// A body in memory is sent again as if it had GetBody, from where it stood, however long it
// is, and the caller's own is read and closed as without us.
func TestABodyInMemoryIsSentAgain(t *testing.T) {
	for name, r := range map[string]io.Reader{
		"bytes.Reader": bytes.NewReader(make([]byte, 1<<20)), "bytes.Buffer": bytes.NewBuffer(make([]byte, 1<<20)), "strings.Reader": strings.NewReader(strings.Repeat("x", 1<<20)),
	} {
		sent := 0
		req := request(t, "PUT", "http://a/", r)
		req.GetBody = nil
		resp, err := httpclient.Wrap(base(func(req *http.Request) (*http.Response, error) {
			if got, err := io.ReadAll(req.Body); len(got) != 1<<20 || err != nil {
				t.Errorf("%s: attempt %d has %d bytes, %v", name, sent+1, len(got), err)
			}
			sent++
			if req.GetBody != nil {
				t.Errorf("%s: net/http may send it again, which it may not without us", name)
			}
			return response(req, map[bool]int{true: 200, false: 503}[sent == 3], http.NoBody), req.Body.Close()
		}), quick(3)).RoundTrip(req)
		if err != nil || resp.StatusCode != 200 {
			t.Error(name, resp, err)
		}
		if left := r.(interface{ Len() int }).Len(); left != 0 {
			t.Errorf("%s: %d bytes of the caller's own are unread", name, left)
		}
	}
}
