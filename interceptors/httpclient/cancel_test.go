package httpclient_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/interceptors/httpclient"
	"github.com/holdfast-go/holdfast/retry"
)

// T26: Request.Cancel ends the waits of policies as a context does; and nothing
// is left of it, however the call ends.
func TestT26_RequestCancelEndsAWait(t *testing.T) {
	patient := retry.New(retry.Options{InitialInterval: time.Hour, MaxInterval: time.Hour, Jitter: retry.Constant})
	synctest.Test(t, func(t *testing.T) {
		cancel := make(chan struct{})
		time.AfterFunc(time.Second, func() { close(cancel) })
		req := request(t, "GET", "http://a/", nil)
		req.Cancel = cancel //nolint:staticcheck // deprecated, and obeyed as ever
		start := time.Now()
		_, err := httpclient.Wrap(base(func(req *http.Request) (*http.Response, error) { return response(req, 503, bodyOf("")), nil }), patient).RoundTrip(req)
		if took := time.Since(start); !errors.Is(err, context.Canceled) || took != time.Second {
			t.Errorf("%v after %v, want a cancel after 1s", err, took)
		}
	})
	synctest.Test(t, func(t *testing.T) { // answered: the context lives as long as the body
		req := request(t, "GET", "http://a/", nil)
		req.Cancel = make(chan struct{}) //nolint:staticcheck // as above
		var attempt context.Context
		resp, err := httpclient.Wrap(base(func(req *http.Request) (*http.Response, error) {
			attempt = req.Context()
			return response(req, 200, bodyOf("body")), nil
		}), patient).RoundTrip(req)
		if err != nil || attempt.Err() != nil || readAll(t, resp) != "body" || attempt.Err() == nil {
			t.Errorf("%v, %v", resp, err)
		}
	})
	synctest.Test(t, func(t *testing.T) { // and a policy that panics
		req := request(t, "GET", "http://a/", nil)
		req.Cancel = make(chan struct{}) //nolint:staticcheck // as above
		defer func() {
			if recover() == nil {
				t.Error("a panic was lost")
			}
		}()
		_, _ = httpclient.Wrap(nil, after(nil), panics("policy")).RoundTrip(req)
	})
}

func panics(value any) holdfast.Policy {
	return holdfast.PolicyFunc(func(holdfast.Handler) holdfast.Handler {
		return func(context.Context, *holdfast.Call) holdfast.Result { panic(value) }
	})
}

// T18: http.Client.Timeout is a deadline, and no cancel: a server that had its
// time is told apart from a caller who went.
func TestT18_ClientTimeoutIsADeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		transport, _ := inMemory(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
		var results []holdfast.Result
		client := &http.Client{Timeout: 2 * time.Second, Transport: httpclient.Wrap(transport, quick(3), spy(&results))}
		start := time.Now()
		_, err := client.Do(request(t, "GET", "http://server.test/", nil))
		var timeout net.Error
		if took := time.Since(start); !errors.As(err, &timeout) || !timeout.Timeout() || took != 2*time.Second {
			t.Errorf("%v after %v", err, took)
		}
		if len(results) != 1 || results[0].Class != holdfast.Failure || results[0].Code != "deadline" {
			t.Errorf("judged as %+v, want one failure by the deadline", results)
		}
	})
}
