package httpclient_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/breaker"
	"github.com/holdfast-go/holdfast/interceptors/httpclient"
	"github.com/holdfast-go/holdfast/retry"
	"github.com/holdfast-go/holdfast/timeout"
)

func flaky() *httptest.Server {
	n := 0
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if n++; n < 3 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
}

func ExampleWrap() {
	server := flaky()
	defer server.Close()

	client := &http.Client{Transport: httpclient.Wrap(http.DefaultTransport,
		timeout.New(timeout.Options{Limit: 2 * time.Second}),        // the whole call, retries included
		retry.New(retry.Options{MaxAttempts: 3}),                    // only what is safe to repeat
		breaker.New(breaker.Options{}),                              // stop asking a server that is down
		timeout.New(timeout.Options{Limit: 500 * time.Millisecond}), // each attempt
	)}
	resp, err := client.Get(server.URL)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer resp.Body.Close()
	fmt.Println(resp.Status, len(holdfast.LedgerOf(resp.Request.Context()).Attempts), "attempts")
	// Output: 200 OK 3 attempts
}

// A POST is repeated when the server knows it again by its key.
func ExampleWrapper_Wrap() {
	server := flaky()
	defer server.Close()

	door := httpclient.Wrapper{IdempotencyKey: httpclient.UUID, AttemptHeader: "X-Attempt"}
	client := &http.Client{Transport: door.Wrap(nil, retry.New(retry.Options{}))}
	resp, err := client.Post(server.URL, "text/plain", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer resp.Body.Close()
	fmt.Println(resp.Status)
	// Output: 200 OK
}

func ExampleUUID() {
	fmt.Println(len(httpclient.UUID()))
	// Output: 38
}

// A server that answers 200 and writes into the body that it is busy is asked again.
func ExamplePeek() {
	n := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if n++; n < 2 {
			_, _ = io.WriteString(w, `{"code":"BUSY"}`)
			return
		}
		_, _ = io.WriteString(w, `{"code":"OK"}`)
	}))
	defer server.Close()

	door := httpclient.Wrapper{Classify: func(resp *http.Response, err error) (holdfast.Verdict, bool) {
		if err == nil && bytes.Contains(httpclient.Peek(resp, 1024), []byte(`"code":"BUSY"`)) {
			return holdfast.Verdict{Class: holdfast.Overload, Code: "busy"}, true
		}
		return holdfast.Verdict{}, false
	}}
	client := &http.Client{Transport: door.Wrap(http.DefaultTransport, retry.New(retry.Options{OverloadInterval: time.Millisecond}))}
	resp, err := client.Get(server.URL)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	fmt.Println(string(body), n)
	// Output: {"code":"OK"} 2
}
