package httpclient_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/holdfast-go/holdfast/interceptors/httpclient"
)

// T13: a file is sent again from the offset it had, and not from its start; it is
// closed once, at the end.
func TestT13_AFileIsReplayedFromItsOffset(t *testing.T) {
	name := filepath.Join(t.TempDir(), "upload")
	big := "HEADER" + strings.Repeat("payload", 100_000) // more than is kept
	if err := os.WriteFile(name, []byte(big), 0o600); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var got []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		if got = append(got, string(b)); len(got) < 3 {
			w.WriteHeader(503)
		}
	}))
	defer server.Close()
	client := &http.Client{Transport: httpclient.Wrap(nil, quick(3))}
	for _, known := range []bool{true, false} {
		got = nil
		file, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := file.Seek(6, io.SeekStart); err != nil {
			t.Fatal(err)
		}
		req := request(t, "PUT", server.URL, file)
		if known {
			req.ContentLength = int64(len(big) - 6)
		}
		resp, err := client.Do(req)
		if err != nil || resp.StatusCode != 200 || len(got) != 3 {
			t.Fatalf("%v, %v after %d attempts", resp, err, len(got))
		}
		readAll(t, resp)
		for i, b := range got {
			if b != big[6:] {
				t.Errorf("attempt %d sent %d bytes beginning %.10q", i+1, len(b), b)
			}
		}
		if err := file.Close(); !errors.Is(err, os.ErrClosed) {
			t.Errorf("the file was left open (%v)", err)
		}
	}
}

// T14: Content-Length is the same on every attempt, and 307 and 308 redirects
// still replay the body.
func TestT14_ContentLengthAndRedirects(t *testing.T) {
	var mu sync.Mutex
	var seen []string
	mux := http.NewServeMux()
	failures := 0
	mux.HandleFunc("/to", func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		seen = append(seen, strconv.FormatInt(r.ContentLength, 10)+" "+string(b))
		if failures++; failures%3 != 0 {
			w.WriteHeader(503)
		}
	})
	mux.HandleFunc("/from", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/to", http.StatusPermanentRedirect) })
	mux.HandleFunc("/temporary", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/to", http.StatusTemporaryRedirect) })
	server := httptest.NewServer(mux)
	defer server.Close()
	client := &http.Client{Transport: httpclient.Wrap(nil, quick(3))}
	for _, path := range []string{"/to", "/from", "/temporary"} {
		seen = nil
		resp, err := client.Do(request(t, "PUT", server.URL+path, strings.NewReader("payload")))
		if err != nil || resp.StatusCode != 200 || resp.Request.URL.Path != "/to" {
			t.Fatalf("%s: %v, %v", path, resp, err)
		}
		readAll(t, resp)
		if len(seen) != 3 || seen[0] != "7 payload" || seen[1] != seen[0] || seen[2] != seen[0] {
			t.Errorf("%s: the server saw %q", path, seen)
		}
	}
}
