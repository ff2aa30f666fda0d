package httpclient_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
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

// endless brings what is asked of it.
type endless struct{}

func (endless) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// A hedge of an upload that is too long to be kept never takes the body from a first attempt that
// still dials. Where the length is known the hedge is not sent, and costs nothing; where it is not, the
// hedge fails, and the first attempt has all of it.
func TestAHedgeTakesNoBodyFromTheFirstAttempt(t *testing.T) {
	const size = 200_000
	for _, known := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			var sent atomic.Int32
			rt := base(func(r *http.Request) (*http.Response, error) {
				defer func() { _ = r.Body.Close() }()
				if sent.Add(1) == 1 {
					time.Sleep(time.Second) // it dials
				}
				n, err := io.Copy(io.Discard, r.Body)
				if err != nil {
					return nil, err
				}
				return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader(strconv.FormatInt(n, 10))), ContentLength: -1, Request: r, Header: http.Header{}}, nil
			})
			var denied []string
			budget := retry.NewBudget(retry.BudgetOptions{})
			h := hedge.New(hedge.Options{Delay: 10 * time.Millisecond, Share: -1, Budget: budget, OnHedge: func(_ context.Context, e holdfast.Event) {
				if e.Kind == "hedge_denied" {
					denied = append(denied, e.Reason)
				}
			}})
			req := request(t, "PUT", "http://server.test/", io.LimitReader(endless{}, size))
			if known {
				req.ContentLength = size
			}
			resp, err := httpclient.Wrap(rt, h).RoundTrip(req)
			if err != nil {
				t.Fatalf("known %v: %v", known, err)
			}
			if got := readAll(t, resp); got != strconv.Itoa(size) {
				t.Errorf("known %v: the server had %s bytes", known, got)
			}
			spent, hedges := budget.Stats("server.test").Withdrawn-budget.Stats("server.test").Refunded, h.Stats("server.test").Hedges
			if known && (sent.Load() != 1 || spent != 0 || hedges != 0 || !slices.Equal(denied, []string{"body"})) {
				t.Errorf("sent %d times, %d tokens spent, %d hedges, denied because of %q", sent.Load(), spent, hedges, denied)
			}
			if !known && (sent.Load() != 2 || spent != 1 || hedges != 1) {
				t.Errorf("sent %d times, %d tokens spent, %d hedges", sent.Load(), spent, hedges)
			}
		})
	}
}
