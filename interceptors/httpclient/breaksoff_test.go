package httpclient_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/interceptors/httpclient"
)

// A response that breaks off is told by the End, and by the error.
func TestABodyThatBreaksOff(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		_, _ = io.WriteString(w, "half")
		_ = http.NewResponseController(w).Flush()
		c, _, _ := http.NewResponseController(w).Hijack()
		_ = c.Close()
	}))
	defer server.Close()
	var ends ends
	resp, err := (&http.Client{Transport: httpclient.Wrap(nil, ends.policy())}).Do(request(t, "GET", server.URL, nil))
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if string(b) != "half" || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("read %q, %v", b, err)
	}
	if end := ends.one(t); end.Class != holdfast.Failure || end.Code != "truncated" || end.Bytes != 4 || end.Err == nil {
		t.Errorf("the policy learned %+v", end)
	}
}

// A body read to its end is over, closed or not.
func TestABodyReadToItsEndIsOver(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/503" {
			w.WriteHeader(503)
		}
		_, _ = io.WriteString(w, "body")
	}))
	defer server.Close()
	for path, want := range map[string]holdfast.End{
		"/":    {Class: holdfast.Success, Code: "200", Bytes: 4},
		"/503": {Class: holdfast.Failure, Code: "503", Bytes: 4},
	} {
		var ends ends
		resp, err := (&http.Client{Transport: httpclient.Wrap(nil, ends.policy())}).Do(request(t, "GET", server.URL+path, nil))
		if err != nil {
			t.Fatal(err)
		}
		if len(ends.got) != 0 {
			t.Error("over before it was read")
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		if end := ends.one(t); end != want {
			t.Errorf("%s ended as %+v, want %+v", path, end, want)
		}
		_ = resp.Body.Close()
		if len(ends.got) != 0 {
			t.Error("over twice")
		}
	}
}

// ends keeps how Replies ended.
type ends struct{ got chan holdfast.End }

func (e *ends) Done(_ uint64, end holdfast.End) { e.got <- end }

func (e *ends) policy() holdfast.Policy {
	e.got = make(chan holdfast.End, 100)
	return holdfast.PolicyFunc(func(next holdfast.Handler) holdfast.Handler {
		return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
			res := next(ctx, call)
			res.OnDone(e, 1)
			return res
		}
	})
}

func (e *ends) one(t *testing.T) holdfast.End {
	t.Helper()
	if n := len(e.got); n != 1 {
		t.Fatalf("%d ends, want one", n)
	}
	return <-e.got
}
