package httpclient_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast/discovery"
	"github.com/holdfast-go/holdfast/interceptors/httpclient"
	"github.com/holdfast-go/holdfast/loadbalance"
	"github.com/holdfast-go/holdfast/retry"
	"github.com/holdfast-go/holdfast/timeout"
)

// The claims of virtual time, on real servers over loopback.

// volley makes n calls, some at a time, and returns how many failed.
func volley(t *testing.T, client *http.Client, n, atOnce int) (failed int64) {
	t.Helper()
	var wg sync.WaitGroup
	var left, bad atomic.Int64
	left.Store(int64(n))
	for range atOnce {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://users.test/", http.NoBody)
				if err != nil {
					t.Error(err)
					return
				}
				resp, err := client.Do(req)
				if err != nil {
					bad.Add(1)
					continue
				}
				if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.StatusCode != http.StatusOK {
					bad.Add(1)
				}
				_ = resp.Body.Close()
			}
		})
	}
	wg.Wait()
	return bad.Load()
}

func TestAFrozenServerCostsNextToNothing(t *testing.T) {
	stop := make(chan struct{})
	var addrs []string
	var frozen *backend
	for i := range 4 {
		b := newBackend(t, false, false, func(w http.ResponseWriter, r *http.Request) {
			if i == 0 {
				select {
				case <-stop:
				case <-r.Context().Done():
				}
				return
			}
			_, _ = io.WriteString(w, "ok")
		})
		if addrs = append(addrs, b.addr); i == 0 {
			frozen = b
		}
	}
	defer close(stop)
	set := loadbalance.New(discovery.Static(addrs...), loadbalance.PeakEWMA, loadbalance.Options{})
	defer set.Close()
	client := &http.Client{Transport: httpclient.Wrap(&http.Transport{MaxIdleConnsPerHost: 32}, timeout.New(timeout.Options{Limit: 10 * time.Second}), retry.New(retry.Options{}), set, timeout.New(timeout.Options{Limit: time.Second}))}
	defer client.CloseIdleConnections()
	if failed := volley(t, client, 10_000, 16); failed > 0 {
		t.Errorf("%d calls failed", failed)
	}
	if n := frozen.calls.Load(); n > 10 {
		t.Errorf("%d of 10,000 calls went to the frozen server", n)
	}
}

func TestAServerThatFailsFastAttractsNobody(t *testing.T) {
	var addrs []string
	for i := range 10 {
		b := newBackend(t, false, false, func(w http.ResponseWriter, _ *http.Request) {
			if i == 0 {
				w.WriteHeader(http.StatusServiceUnavailable)
				return
			}
			<-time.After(time.Millisecond)
			_, _ = io.WriteString(w, "ok")
		})
		addrs = append(addrs, b.addr)
	}
	set := loadbalance.New(discovery.Static(addrs...), loadbalance.PeakEWMA, loadbalance.Options{})
	defer set.Close()
	client := &http.Client{Transport: httpclient.Wrap(&http.Transport{MaxIdleConnsPerHost: 32}, set)}
	defer client.CloseIdleConnections()
	volley(t, client, 500, 16)
	if failed := volley(t, client, 10_000, 16); failed > 10 {
		t.Errorf("%d of 10,000 calls failed", failed)
	}
}

// A rolling restart of ten servers loses no call that may be repeated.
func TestARollingRestartLosesNothing(t *testing.T) {
	handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") })
	listen := func(addr string) net.Listener {
		for range 200 {
			if l, err := net.Listen("tcp", addr); err == nil {
				return l
			}
			<-time.After(5 * time.Millisecond)
		}
		t.Fatal("no port for " + addr)
		return nil
	}
	var addrs []string
	servers := make([]*http.Server, 10)
	var served sync.WaitGroup
	start := func(i int, l net.Listener) {
		servers[i] = &http.Server{Handler: handler, ReadHeaderTimeout: time.Minute}
		s := servers[i]
		served.Go(func() { _ = s.Serve(l) })
	}
	for i := range servers {
		l := listen("127.0.0.1:0")
		addrs = append(addrs, l.Addr().String())
		start(i, l)
	}
	set := loadbalance.New(discovery.Static(addrs...), nil, loadbalance.Options{})
	defer set.Close()
	client := &http.Client{Transport: httpclient.Wrap(&http.Transport{MaxIdleConnsPerHost: 32}, timeout.New(timeout.Options{Limit: 10 * time.Second}), retry.New(retry.Options{InitialInterval: 5 * time.Millisecond}), set, timeout.New(timeout.Options{Limit: 2 * time.Second}))}
	defer client.CloseIdleConnections()
	ctx, stop := context.WithCancel(t.Context())
	failed := make(chan int64, 1)
	go func() {
		sum := int64(0)
		for ctx.Err() == nil {
			sum += volley(t, client, 200, 8)
		}
		failed <- sum
	}()
	for i := range servers {
		_ = servers[i].Close() // at once, as a crash: its connections break
		<-time.After(20 * time.Millisecond)
		start(i, listen(addrs[i]))
		<-time.After(20 * time.Millisecond)
	}
	stop()
	if n := <-failed; n > 0 {
		t.Errorf("%d calls were lost", n)
	}
	for _, s := range servers {
		_ = s.Close()
	}
	served.Wait()
}
