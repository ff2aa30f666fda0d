package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/interceptors/httpclient"
	"github.com/holdfast-go/holdfast/retry"
	"github.com/holdfast-go/holdfast/timeout"
)

// A user's own test: one 503, then the answer, and the ledger that tells of it.
func TestOneFailureIsSurvived(t *testing.T) {
	calls := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if calls++; calls == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		_, _ = io.WriteString(w, "hello")
	}))
	defer server.Close()

	client := &http.Client{Transport: httpclient.Wrap(nil,
		timeout.New(timeout.Options{Limit: 10 * time.Second}),
		retry.New(retry.Options{InitialInterval: time.Millisecond}),
	)}
	resp, err := client.Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || string(body) != "hello" {
		t.Fatalf("got %q, %v", body, err)
	}
	if ledger := holdfast.LedgerOf(resp.Request.Context()); len(ledger.Attempts) != 2 {
		t.Errorf("ledger %v, want two attempts", ledger)
	}
}
