package clients

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/tmaxmax/go-sse"
)

// Server-sent events, with pauses longer than any limit.
func TestServerSentEvents(t *testing.T) {
	const every = 10 * time.Minute
	events := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		flush(w)
		for i := 0; pause(r, every); i++ {
			_, _ = fmt.Fprintf(w, "data: %d\n\n", i)
			flush(w)
		}
	})
	with(t, events, func(t *testing.T, through http.RoundTripper) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://events.test/", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := (&http.Client{Transport: through}).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		began, n := time.Now(), 0
		for e, err := range sse.Read(resp.Body, nil) {
			if err != nil || e.Data != fmt.Sprint(n) {
				t.Fatalf("after %v: %q, %v", time.Since(began), e.Data, err)
			}
			if n++; n == 9 {
				break
			}
		}
		if took := time.Since(began); n != 9 || took != 9*every {
			t.Errorf("%d events came in %v", n, took)
		}
	})
}
