package httpclient_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/holdfasttest"
	"github.com/holdfast-go/holdfast/interceptors/httpclient"
	"github.com/holdfast-go/holdfast/timeout"
)

// Time spent waiting for a connection of our own, of which there may be only so many, is
// no server's: who waited all the time has sent nothing, and who waited for the most of it
// has not given the server its time.
func TestWaitingForAConnectionOfOurOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		transport, _ := inMemory(t, func(_ http.ResponseWriter, _ *http.Request) { time.Sleep(300 * time.Millisecond) })
		transport.MaxConnsPerHost = 1
		var mu sync.Mutex
		var codes []string
		note := after(func(_ *holdfast.Call, res holdfast.Result) {
			mu.Lock()
			defer mu.Unlock()
			codes = append(codes, res.Class.String()+" "+string(res.Code))
		})
		rt := httpclient.Wrap(over(transport, false), note, timeout.New(timeout.Options{Limit: time.Second}))
		var wg sync.WaitGroup
		for range 7 {
			wg.Go(func() {
				if resp, err := rt.RoundTrip(request(t, "POST", "http://server.test/", nil)); err == nil {
					readAll(t, resp)
				}
			})
			time.Sleep(time.Millisecond)
		}
		wg.Wait()
		time.Sleep(time.Second) // the last ones are served that nobody waits for
		slices.Sort(codes)
		want := []string{"local_pause timeout", "local_pause timeout", "local_pause timeout", "local_pause timeout", "success 200", "success 200", "success 200"}
		if !slices.Equal(codes, want) {
			t.Errorf("judged as %q", codes)
		}
	})
}

// One that answers nobody is what they wait for: it is not excused to those who get a
// connection in the end.
func TestWaitingBehindCallsThatHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		transport, _ := inMemory(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
		transport.MaxConnsPerHost = 1
		var mu sync.Mutex
		var judged []string
		note := after(func(_ *holdfast.Call, res holdfast.Result) {
			mu.Lock()
			defer mu.Unlock()
			judged = append(judged, res.Class.String()+" "+string(res.Code))
		})
		rt := httpclient.Wrap(over(transport, false), note, timeout.New(timeout.Options{Limit: time.Second}))
		var wg sync.WaitGroup
		for _, wait := range []time.Duration{300 * time.Millisecond, 10 * time.Millisecond, 0} {
			wg.Go(func() { _, _ = rt.RoundTrip(request(t, "POST", "http://server.test/", nil)) })
			time.Sleep(wait)
		}
		wg.Wait()
		// The second has the connection for 300 ms, and the third for 10.
		if want := []string{"failure timeout", "failure timeout", "failure timeout"}; !slices.Equal(judged, want) {
			t.Errorf("judged as %q", judged)
		}
	})
}

// But a server that cannot be reached, or hangs, is not excused where connections are few:
// not when its dial hangs, by a dialer that tells of it or one that does not, nor
// afterwards, when the connections of others are long gone.
func TestAHangingServerIsNotExcusedByItsSlots(t *testing.T) {
	for _, tells := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			network := new(holdfasttest.Network)
			l, err := network.Listen("server.test:80")
			if err != nil {
				t.Fatal(err)
			}
			server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { //nolint:gosec // no header is slow in here
				switch r.URL.Path {
				case "/body":
					_, _ = io.WriteString(w, "body")
				case "/reset":
					panic(http.ErrAbortHandler)
				case "/hang":
					<-r.Context().Done()
				}
			})}
			var served sync.WaitGroup
			served.Go(func() { _ = server.Serve(l) })
			defer func() { _ = server.Close(); served.Wait() }()
			base := &http.Transport{MaxConnsPerHost: 2, DialContext: func(ctx context.Context, n, addr string) (net.Conn, error) {
				if trace := httptrace.ContextClientTrace(ctx); tells && trace != nil && trace.ConnectStart != nil {
					trace.ConnectStart(n, addr)
				}
				return network.DialContext(ctx, n, addr)
			}}
			defer base.CloseIdleConnections()
			var results []holdfast.Result
			rt := httpclient.Wrap(base, spy(&results), timeout.New(timeout.Options{Limit: time.Second}))
			call := func(path string, read bool) {
				resp, err := rt.RoundTrip(request(t, "GET", "http://server.test"+path, nil))
				if err == nil && read {
					readAll(t, resp)
				} else if err == nil {
					_ = resp.Body.Close()
				}
			}
			for range 3 {
				call("/body", true)
				call("/body", false)
				call("/empty", true)
				call("/reset", false)
				call("/hang", false)
			}
			for i, res := range results {
				if want := []holdfast.Class{holdfast.Success, holdfast.Success, holdfast.Success, holdfast.Failure, holdfast.Failure}[i%5]; res.Class != want {
					t.Errorf("call %d: %+v, want %v", i, res, want)
				}
			}
			base.CloseIdleConnections()
			network.Set("server.test:80", holdfasttest.Conditions{Stall: true})
			results = nil
			call("/body", true)
			if results[0].Class != holdfast.Failure || results[0].Code != holdfast.CodeTimeout {
				t.Errorf("dials that hang are judged as %+v", results)
			}
			network.Set("server.test:80", holdfasttest.Conditions{})
		})
	}
}

// Nor does a body that cannot be closed hold up who waits for its connection: that of
// net/http waits for a read under way, before the header of a compressed answer is there.
func TestABodyThatDoesNotCloseGivesItsSlotBack(t *testing.T) {
	release := make(chan struct{})
	var n atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if n.Add(1) == 1 {
			w.Header().Set("Content-Encoding", "gzip")
			w.WriteHeader(503)
			_ = http.NewResponseController(w).Flush()
			<-release
		}
	}))
	defer server.Close()
	defer close(release)
	base := &http.Transport{MaxConnsPerHost: 1}
	defer base.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	resp, err := httpclient.Wrap(base, quick(2)).RoundTrip(request(t, "GET", server.URL, nil).WithContext(ctx))
	if err != nil || resp.StatusCode != 200 {
		t.Fatalf("%v, %v", resp, err)
	}
	readAll(t, resp)
}
