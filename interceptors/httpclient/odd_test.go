package httpclient_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/hedge"
	"github.com/holdfast-go/holdfast/interceptors/httpclient"
	"github.com/holdfast-go/holdfast/retry"
	"github.com/holdfast-go/holdfast/timeout"
)

// A to sends every attempt to an address.
type to string

func (a to) Wrap(next holdfast.Handler) holdfast.Handler {
	return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
		call.SendTo(string(a))
		return next(ctx, call)
	}
}

// Who reads on at the end of a body is at its end again, as json.Decoder does: the
// context of the attempt is over by then.
func TestT06_TheEndOfABodyStaysItsEnd(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.(http.Flusher).Flush()
		_, _ = io.WriteString(w, "{\"a\":1}\n{\"a\":2}\n")
	}))
	defer s.Close()
	for name, c := range map[string]*http.Client{
		"timeout": {Transport: httpclient.Wrap(nil, timeout.New(timeout.Options{Limit: time.Minute}))},
		"client":  {Transport: httpclient.Wrap(nil), Timeout: time.Minute},
	} {
		for range 20 {
			resp, err := c.Get(s.URL)
			if err != nil {
				t.Fatal(err)
			}
			n := 0
			for d := json.NewDecoder(resp.Body); ; n++ {
				if err = d.Decode(new(struct{ A int })); err != nil {
					break
				}
			}
			if err != io.EOF || n != 2 {
				t.Fatalf("%s: %v after %d", name, err, n)
			}
			_ = resp.Body.Close()
		}
	}
}

// A faltering body gives ten bytes, and then an error that looks like a connection's.
type faltering struct{ n int }

func (b *faltering) Read(p []byte) (int, error) {
	if b.n++; b.n == 1 {
		return copy(p, "0123456789"), nil
	}
	return 0, &net.OpError{Op: "dial", Err: errors.New("where the body comes from")}
}
func (b *faltering) Close() error { return nil }

// What the caller's own body fails with is no refusal of the server's, with GetBody
// or without: a POST is sent once.
func TestABodysErrorIsNoConnections(t *testing.T) {
	for _, again := range []bool{false, true} {
		var results []holdfast.Result
		probe := holdfast.PolicyFunc(func(next holdfast.Handler) holdfast.Handler {
			return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
				results = append(results, next(ctx, call))
				return results[len(results)-1]
			}
		})
		c := &http.Client{Transport: httpclient.Wrap(&http.Transport{}, retry.New(retry.Options{MaxAttempts: 3, InitialInterval: -1}), probe)}
		s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }))
		req, err := http.NewRequest(http.MethodPost, s.URL, &faltering{})
		if err != nil {
			t.Fatal(err)
		}
		if again {
			req.GetBody = func() (io.ReadCloser, error) { return &faltering{}, nil }
		}
		if resp, err := c.Do(req); err == nil {
			_ = resp.Body.Close()
			t.Error("there is an answer")
		}
		if len(results) != 1 || results[0].Class != holdfast.LocalFault || results[0].Code != "request_body" {
			t.Errorf("GetBody %v: %+v", again, results)
		}
		c.CloseIdleConnections()
		s.Close()
	}
}

// A base that follows redirects has sent what it was given, though the next hop is
// down: a POST is sent once.
func TestARedirectingBaseHasSentTheRequest(t *testing.T) {
	var posts atomic.Int32
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		posts.Add(1)
		http.Redirect(w, r, "http://127.0.0.1:1/", http.StatusSeeOther)
	}))
	defer s.Close()
	beneath := &http.Client{Transport: &http.Transport{}}
	defer beneath.CloseIdleConnections()
	c := &http.Client{Transport: httpclient.Wrap(base(beneath.Do), retry.New(retry.Options{MaxAttempts: 3, InitialInterval: -1}))}
	if resp, err := c.Post(s.URL, "text/plain", strings.NewReader("order")); err == nil {
		_ = resp.Body.Close()
		t.Error("there is an answer")
	}
	if posts.Load() != 1 {
		t.Errorf("%d posts", posts.Load())
	}
}

// The base's older Dial makes the connections to an endpoint, and one that makes none
// and has no error ends no process.
func TestTheBasesDialersDialEndpoints(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer s.Close()
	dialled := 0
	old := &http.Transport{Dial: func(network, _ string) (net.Conn, error) {
		dialled++
		return net.Dial(network, s.Listener.Addr().String())
	}}
	resp, err := (&http.Client{Transport: httpclient.Wrap(old, to("10.255.255.1:80"))}).Get("http://users.test/")
	if err != nil || dialled != 1 {
		t.Fatalf("dialled %d times: %v", dialled, err)
	}
	_ = resp.Body.Close()
	old.CloseIdleConnections()
	none := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return nil, nil }} //nolint:nilnil // it is what is tested
	if resp, err := (&http.Client{Transport: httpclient.Wrap(none, to("10.255.255.1:80"))}).Get("http://users.test/"); err == nil {
		_ = resp.Body.Close()
		t.Error("there is an answer")
	}
}

// A base may send one request several times at once.
func TestReplaysOfABaseThatHedges(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer s.Close()
	c := &http.Client{Transport: httpclient.Wrapper{CountReplays: true}.Wrap(httpclient.Wrap(&http.Transport{}, hedge.New(hedge.Options{Delay: 1, Share: -1})))}
	for range 20 {
		resp, err := c.Get(s.URL)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
	}
	c.CloseIdleConnections()
}

// An answer that has left out its length, or its body, is what it is.
func TestAnswersThatAreNotNetHTTPs(t *testing.T) {
	late := &http.Transport{}
	late.RegisterProtocol("late", base(func(r *http.Request) (*http.Response, error) {
		from, in := io.Pipe()
		context.AfterFunc(r.Context(), func() { _ = in.CloseWithError(context.Cause(r.Context())) })
		go func() {
			_, _ = io.WriteString(in, "hello")
			_ = in.Close()
		}()
		return &http.Response{StatusCode: http.StatusOK, Body: from, Header: http.Header{}}, nil
	}))
	resp, err := (&http.Client{Transport: httpclient.Wrap(late, timeout.New(timeout.Options{Limit: time.Minute}))}).Get("late://x/")
	if err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(resp.Body); string(b) != "hello" || err != nil {
		t.Errorf("%q, %v", b, err)
	}
	_ = resp.Body.Close()
	bodiless := httpclient.Wrap(base(func(*http.Request) (*http.Response, error) { return &http.Response{StatusCode: http.StatusOK}, nil }))
	req, err := http.NewRequest(http.MethodGet, "http://users.test/", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	if err := httpclient.Prewarm(t.Context(), bodiless, req, 1, "users.test"); err != nil {
		t.Errorf("%v", err)
	}
}

// An upgrade can close its half by a chosen endpoint as well.
func TestAnUpgradeClosesItsHalfAtAnEndpoint(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		conn, both, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return
		}
		defer func() { _ = conn.Close() }()
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
		said, _ := io.ReadAll(both)
		_, _ = io.WriteString(conn, "got "+string(said))
	}))
	defer s.Close()
	c := &http.Client{Transport: httpclient.Wrap(&http.Transport{}, to(s.Listener.Addr().String()))}
	req, err := http.NewRequest(http.MethodGet, "http://users.test/", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	req.Header = http.Header{"Connection": {"Upgrade"}, "Upgrade": {"x"}}
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	up, ok := resp.Body.(interface {
		io.ReadWriter
		CloseWrite() error
	})
	if !ok {
		t.Fatalf("%T closes no half", resp.Body)
	}
	_, _ = io.WriteString(up, "hi")
	if err := up.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(up); string(b) != "got hi" || err != nil {
		t.Errorf("%q, %v", b, err)
	}
}

// The name too many is told as that. Names count while they are spoken to: one that cannot be
// reached, or whose certificate is not the server's, takes up no place.
func TestNamesOverTLSAreBounded(t *testing.T) {
	reach := make(chan struct{})
	var dialling atomic.Int64
	base := &http.Transport{DialContext: func(_ context.Context, _, _ string) (net.Conn, error) {
		dialling.Add(1)
		<-reach
		return nil, errors.New("nowhere")
	}}
	c := &http.Client{Transport: httpclient.Wrap(base, to("10.255.255.1:80"))}
	get := func(name string, i int) bool {
		resp, err := c.Get(fmt.Sprintf("https://%s%d.test/", name, i))
		if err == nil {
			_ = resp.Body.Close()
		}
		return err != nil && strings.Contains(err.Error(), "one name too many")
	}
	var asked sync.WaitGroup
	for i := range 256 {
		asked.Go(func() { get("asked", i) })
	}
	for dialling.Load() < 256 {
		<-time.After(time.Millisecond)
	}
	if !get("late", 0) {
		t.Error("256 names are asked for, and there is room for another")
	}
	close(reach)
	asked.Wait()
	for i := range 1000 {
		if get("unreachable", i) {
			t.Fatalf("the names that could not be reached have used up all places: %d", i)
		}
	}
}

// A redirect to a name that the server has no certificate for uses up no place, while one that is
// spoken to keeps its connection.
func TestNamesThatAreNotTheServersUseUpNoPlace(t *testing.T) {
	s := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer s.Close()
	var dials atomic.Int64
	base := s.Client().Transport.(*http.Transport).Clone()
	base.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		dials.Add(1)
		return new(net.Dialer).DialContext(ctx, network, addr)
	}
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	c := &http.Client{Transport: httpclient.Wrap(base, to(s.Listener.Addr().String()))}
	defer c.CloseIdleConnections()
	get := func(host string) error {
		resp, err := c.Get("https://" + host + "/")
		if err == nil {
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
		}
		return err
	}
	if err := get("example.com"); err != nil { // which httptest's certificate is for
		t.Fatal(err)
	}
	for i := range 300 {
		if err := get(fmt.Sprintf("mallory%d.test", i)); err == nil || strings.Contains(err.Error(), "one name too many") {
			t.Fatalf("name %d: %v", i, err)
		}
	}
	before := dials.Load()
	if err := get("example.com"); err != nil || dials.Load() != before {
		t.Errorf("%v, %d connections for a name that had one", err, dials.Load()-before)
	}
}
