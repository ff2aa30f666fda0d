package httpclient_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast/breaker"
	"github.com/holdfast-go/holdfast/hedge"
	"github.com/holdfast-go/holdfast/holdfasttest"
	"github.com/holdfast-go/holdfast/interceptors/httpclient"
	"github.com/holdfast-go/holdfast/retry"
	"github.com/holdfast-go/holdfast/timeout"
)

// Over real HTTP, with bodies in both directions: every answer is whole, whichever
// attempt it is of, and every body is closed.
func TestT59_HedgesOverHTTPShareNothing(t *testing.T) {
	holdfasttest.CheckLeaks(t)
	var mu sync.Mutex
	n := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		mu.Lock()
		n++
		slow := n%2 == 1
		mu.Unlock()
		if err != nil {
			return // a hedge that has lost
		}
		if slow {
			select {
			case <-time.After(20 * time.Millisecond):
			case <-r.Context().Done():
				return
			}
		}
		_, _ = w.Write(body)
	}))
	defer server.Close()
	base := &http.Transport{}
	defer base.CloseIdleConnections()
	bodies := &holdfasttest.Bodies{Base: base}
	client := &http.Client{Transport: httpclient.Wrap(bodies,
		timeout.New(timeout.Options{Limit: 10 * time.Second}), retry.New(retry.Options{}),
		hedge.New(hedge.Options{Delay: time.Millisecond, Share: -1}),
		breaker.New(breaker.Options{}), timeout.New(timeout.Options{Limit: 5 * time.Second}),
	)}
	payload := strings.Repeat("0123456789", 20_000)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 20 {
				req, err := http.NewRequest(http.MethodPut, server.URL, bytes.NewReader([]byte(payload)))
				if err != nil {
					t.Error(err)
					return
				}
				resp, err := client.Do(req)
				if err != nil {
					t.Error(err)
					return
				}
				got, err := io.ReadAll(resp.Body)
				_ = resp.Body.Close()
				if err != nil || string(got) != payload {
					t.Errorf("%d bytes of %d, %v", len(got), len(payload), err)
				}
			}
		})
	}
	wg.Wait()
	bodies.Verify(t)
}
