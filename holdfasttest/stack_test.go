package holdfasttest_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/holdfasttest"
	"github.com/holdfast-go/holdfast/interceptors/httpclient"
	"github.com/holdfast-go/holdfast/retry"
	"github.com/holdfast-go/holdfast/timeout"
)

// T88: after 1,000 calls through the full stack over real connections, and Close,
// goroutines and heap objects are back at the baseline. (For each policy alone
// it is one of TestPolicy's checks.)
func TestT88_TheFullStackLeavesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		holdfasttest.CheckLeaks(t)
		n := new(holdfasttest.Network)
		l, err := n.Listen("users:80")
		if err != nil {
			t.Fatal(err)
		}
		var served atomic.Int64
		server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch served.Add(1) % 5 {
			case 0:
				w.WriteHeader(http.StatusServiceUnavailable)
			case 1:
				<-r.Context().Done() // cut by the attempt's limit
			}
			_, _ = io.WriteString(w, strings.Repeat("answer", 1000))
		})}
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			_ = server.Serve(l)
		}()
		transport := &http.Transport{DialContext: n.DialContext}
		t.Cleanup(func() {
			transport.CloseIdleConnections()
			_ = server.Close()
			<-ended
		})
		bodies := &holdfasttest.Bodies{Base: transport}
		client := &http.Client{Transport: httpclient.Wrap(bodies,
			timeout.New(timeout.Options{Limit: time.Minute}),
			retry.New(retry.Options{Budget: retry.NewBudget(retry.BudgetOptions{Unlimited: true})}),
			timeout.New(timeout.Options{Limit: time.Second}),
			holdfasttest.NewFaults(holdfasttest.FaultOptions{Script: []holdfasttest.Step{{Class: holdfast.Refused}}, Rate: 0.1}),
		)}
		calls := func(number int) {
			for range number {
				resp, err := client.Get("http://users/")
				if err != nil {
					continue // its three attempts failed
				}
				_, _ = io.Copy(io.Discard, resp.Body)
				_ = resp.Body.Close()
			}
		}
		calls(100) // tables and pools grow once
		before := heapObjects()
		calls(1000)
		if after := heapObjects(); after > before+500 {
			t.Errorf("%d objects on the heap became %d in 1,000 calls", before, after)
		}
		if served.Load() < 1100 {
			t.Errorf("the server saw %d requests", served.Load())
		}
		bodies.Verify(t)
	})
}

func heapObjects() uint64 {
	synctest.Wait()
	var stats runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&stats)
	return stats.HeapObjects
}

// The faults that a policy cannot inject, on real bodies: to the door they are
// failures of the server.
func TestTruncationReachesTheDoor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := new(holdfasttest.Network)
		l, err := n.Listen("users:80")
		if err != nil {
			t.Fatal(err)
		}
		server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write(make([]byte, 100_000))
		})}
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			_ = server.Serve(l)
		}()
		n.Set("users:80", holdfasttest.Conditions{CutAfter: 50_000})
		transport := &http.Transport{DialContext: n.DialContext}
		for name, c := range map[string]struct {
			base   http.RoundTripper
			faults *holdfasttest.Faults
			err    error
			class  holdfast.Class
		}{
			"by the network": {transport, nil, syscall.ECONNRESET, holdfast.Failure},
			"by Bodies":      {&holdfasttest.Bodies{Base: transport, Cut: func(*http.Response) (int64, bool) { return 1000, true }}, nil, io.ErrUnexpectedEOF, holdfast.Failure},
			"by Faults":      {transport, script(holdfasttest.Step{CutOff: 2}), nil, holdfast.Ignored},
		} {
			var end holdfast.End
			watch := holdfast.PolicyFunc(func(next holdfast.Handler) holdfast.Handler {
				return stateless(func(ctx context.Context, call *holdfast.Call, next holdfast.Handler) holdfast.Result {
					res := next(ctx, call)
					res.OnDone(hook(func(e holdfast.End) { end = e }), 0)
					return res
				})().Wrap(next)
			})
			resp, err := httpclient.Wrap(c.base, watch, c.faults).RoundTrip(request(t))
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			_, err = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
			if err == nil || c.err != nil && !errors.Is(err, c.err) || end.Class != c.class || end.Bytes == 0 {
				t.Errorf("cut off %s: read error %v, end %+v; want %v, %v", name, err, end, c.err, c.class)
			}
		}
		transport.CloseIdleConnections()
		_ = server.Close()
		<-ended
	})
}

func request(t *testing.T) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://users/", nil)
	if err != nil {
		t.Fatal(err)
	}
	return req
}
