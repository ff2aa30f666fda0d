package httpclient_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/discovery"
	"github.com/holdfast-go/holdfast/interceptors/httpclient"
	"github.com/holdfast-go/holdfast/loadbalance"
	"github.com/holdfast-go/holdfast/retry"
)

// A body that is being read as the time given for the shutdown is over ends with that error; one
// that is read in time is whole.
func TestShutdownWaitsForBodies(t *testing.T) {
	for _, version := range []int{1, 2} {
		t.Run(fmt.Sprintf("HTTP/%d", version), func(t *testing.T) { shutdownWaitsForBodies(t, version) })
	}
}

func shutdownWaitsForBodies(t *testing.T, version int) {
	release := make(chan struct{})
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "begun ")
		_ = http.NewResponseController(w).Flush()
		if r.URL.Path == "/hangs" {
			<-r.Context().Done()
			return
		}
		<-release
		_, _ = io.WriteString(w, "and ended")
	}))
	server.EnableHTTP2 = version == 2
	server.StartTLS()
	defer server.Close()
	var gate holdfast.Gate
	base, _ := server.Client().Transport.(*http.Transport)
	defer base.CloseIdleConnections()
	client := &http.Client{Transport: httpclient.Wrap(base, &gate)}
	get := func(path string) *http.Response {
		resp, err := client.Get(server.URL + path)
		if err != nil || resp.ProtoMajor != version {
			t.Fatal(resp, err)
		}
		return resp
	}
	whole, hangs := get("/"), get("/hangs")
	ctx, cancel := context.WithCancel(t.Context())
	down := make(chan error)
	go func() { down <- gate.Shutdown(ctx) }()
	for {
		resp, err := client.Get(server.URL)
		if errors.Is(err, holdfast.ErrClosed) {
			break
		}
		if err == nil {
			_ = resp.Body.Close()
		}
	}
	close(release)
	if text, err := io.ReadAll(whole.Body); string(text) != "begun and ended" || err != nil {
		t.Errorf("%q, %v", text, err)
	}
	_ = whole.Body.Close()
	cancel()
	if err := <-down; !errors.Is(err, context.Canceled) || !strings.HasPrefix(err.Error(), "holdfast: the shutdown has cut off 1 of") {
		t.Error(err)
	}
	if text, err := io.ReadAll(hangs.Body); !errors.Is(err, holdfast.ErrClosed) {
		t.Errorf("%q, %v", text, err)
	}
	_ = hangs.Body.Close()
}

// connections counts those of a server that are open.
func connections(n *atomic.Int64) func(net.Conn, http.ConnState) {
	return func(_ net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			n.Add(1)
		case http.StateClosed, http.StateHijacked:
			n.Add(-1)
		}
	}
}

// Under load: of each call it is known what became of it, none is sent after the shutdown, and of
// the connections to endpoints and the goroutines none is left.
func TestShutdownUnderLoad(t *testing.T) {
	for _, patient := range []bool{true, false} {
		t.Run(fmt.Sprintf("patient %v", patient), func(t *testing.T) { shutdownUnderLoad(t, patient) })
	}
}

func shutdownUnderLoad(t *testing.T, patient bool) {
	before := runtime.NumGoroutine()
	var open, served atomic.Int64
	var addrs []string
	var servers []*httptest.Server
	for range 3 {
		s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			n := served.Add(1)
			if n%7 == 0 {
				w.WriteHeader(http.StatusServiceUnavailable)
			}
			if !patient && n > 190 && n%5 == 0 {
				<-r.Context().Done() // hangs
			}
			_, _ = io.WriteString(w, strings.Repeat("x", 1<<10))
		}))
		s.Config.ConnState = connections(&open)
		s.EnableHTTP2 = true
		s.Start()
		servers, addrs = append(servers, s), append(addrs, s.Listener.Addr().String())
	}
	set := loadbalance.New(discovery.Static(addrs...), nil, loadbalance.Options{Eject: loadbalance.EjectOptions{BaseDuration: -1}})
	var gate holdfast.Gate
	base := new(http.Transport)
	client := &http.Client{Transport: httpclient.Wrap(base, &gate, retry.New(retry.Options{}), set)}
	var good, closed atomic.Int64
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for {
				resp, err := client.Get("http://service.test/")
				if err == nil {
					_, err = io.ReadAll(resp.Body)
					_ = resp.Body.Close()
				}
				switch {
				case err == nil:
					good.Add(1)
				case errors.Is(err, holdfast.ErrClosed):
					if closed.Add(1); resp == nil || !patient {
						return
					}
				default:
					t.Errorf("neither an answer nor closed: %v", err)
					return
				}
			}
		})
	}
	for served.Load() < 200 {
		runtime.Gosched()
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if !patient {
		time.AfterFunc(100*time.Millisecond, cancel)
	}
	if err := gate.Shutdown(ctx); patient && err != nil {
		t.Error(err)
	}
	sent := served.Load()
	wg.Wait()
	set.Close()
	if patient && served.Load() != sent {
		t.Errorf("%d were sent after the shutdown", served.Load()-sent)
	}
	if good.Load() == 0 || closed.Load() < 16 {
		t.Errorf("%d good, %d closed", good.Load(), closed.Load())
	}
	for end := time.Now().Add(10 * time.Second); open.Load() > 0 && time.Now().Before(end); {
		runtime.Gosched()
	}
	if n := open.Load(); n != 0 {
		t.Errorf("%d connections are left", n)
	}
	for _, s := range servers {
		s.Close()
	}
	for end := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > before && time.Now().Before(end); {
		runtime.Gosched()
	}
	if n := runtime.NumGoroutine(); n > before {
		t.Errorf("%d goroutines, %d before", n, before)
	}
}

// net/http dials on when the request is over that it dials for. What it comes to after the
// shutdown is closed, also over HTTP/2.
func TestADialThatIsLateIsClosed(t *testing.T) {
	s := httptest.NewUnstartedServer(http.NotFoundHandler())
	s.EnableHTTP2 = true
	s.StartTLS()
	defer s.Close()
	release, dialled := make(chan struct{}), make(chan net.Conn, 1)
	base, _ := s.Client().Transport.(*http.Transport)
	base.DialContext = func(_ context.Context, network, addr string) (net.Conn, error) {
		<-release
		conn, err := net.Dial(network, addr)
		dialled <- conn
		return conn, err
	}
	set := loadbalance.New(discovery.Static(s.Listener.Addr().String()), nil, loadbalance.Options{})
	defer set.Close()
	var gate holdfast.Gate
	client := &http.Client{Transport: httpclient.Wrap(base, &gate, set), Timeout: 50 * time.Millisecond}
	if resp, err := client.Get("https://example.com/"); err == nil {
		_ = resp.Body.Close()
		t.Error("there was no connection, and an answer")
	}
	if err := gate.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	close(release)
	conn := <-dialled
	_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("the connection is open: %v", err)
	}
}

// A door that is made of what is closed already has no connections either.
func TestOnClosedTellsAtOnceWhereItIs(t *testing.T) {
	var gate holdfast.Gate
	told := 0
	gate.OnClosed(func() { told++ })
	gate.OnClosed(nil)
	_ = gate.Close()
	gate.OnClosed(func() { told++; _ = gate.Close() })
	if told != 2 {
		t.Errorf("told %d times", told)
	}
}

// A shutdown that cuts calls off leaves no connection to an endpoint behind, whatever the calls
// were at, and none that a late dial brings.
func TestAClosedDoorLeavesNoConnections(t *testing.T) {
	for _, http2 := range []bool{false, true} {
		for i := range 10 {
			late := i%5 == 0
			var open, asked, dialled atomic.Int64
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { asked.Add(1); <-r.Context().Done() }))
			server.EnableHTTP2, server.Config.ConnState = http2, connections(&open)
			server.StartTLS()
			set := loadbalance.New(discovery.Static(server.Listener.Addr().String()), nil, loadbalance.Options{})
			base, _ := server.Client().Transport.(*http.Transport)
			comes, came := make(chan struct{}), make(chan struct{}, 3)
			base.DialContext = func(_ context.Context, network, addr string) (net.Conn, error) {
				if dialled.Add(1); late {
					<-comes
				}
				conn, err := new(net.Dialer).DialContext(context.Background(), network, addr)
				came <- struct{}{}
				return conn, err
			}
			var gate holdfast.Gate
			client := &http.Client{Transport: httpclient.Wrap(base, &gate, set)}
			done := make(chan error)
			for range 3 {
				go func() { _, err := client.Get("https://example.com/"); done <- err }()
			}
			await(t, func() bool { return asked.Load() == 3 || late && dialled.Load() == 3 })
			_ = gate.Close()
			for range 3 {
				if err := <-done; !errors.Is(err, holdfast.ErrClosed) {
					t.Error(err)
				}
			}
			close(comes)
			for range dialled.Load() {
				<-came
			}
			await(t, func() bool { return open.Load() == 0 })
			set.Close()
			server.Close()
		}
	}
}
