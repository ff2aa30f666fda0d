package clients

import (
	"bytes"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast/timeout"
)

// A download that takes ten minutes, a little every second.
func TestADownloadOfTenMinutes(t *testing.T) {
	const seconds = 600
	piece := bytes.Repeat([]byte("x"), 1000)
	file := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/octet-stream")
		w.Header().Set("Content-Length", "600000")
		for range seconds {
			_, _ = w.Write(piece)
			flush(w)
			if !pause(r, time.Second) {
				return
			}
		}
	})
	with(t, file, func(t *testing.T, through http.RoundTripper) {
		ctx := timeout.WithLimit(t.Context(), time.Hour)
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://files.test/", nil)
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		resp, err := (&http.Client{Transport: through}).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if took := time.Since(began); err != nil || len(b) != seconds*len(piece) || took < (seconds-1)*time.Second {
			t.Errorf("%d bytes in %v: %v", len(b), took, err)
		}
	})
}
