package httpclient_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"testing"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/interceptors/httpclient"
	"github.com/holdfast-go/holdfast/retry"
)

// instant answers at once, with one allocation and a body of its own.
type instant struct{}

func (instant) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Body != nil {
		_ = req.Body.Close()
	}
	return &http.Response{StatusCode: 200, Body: http.NoBody, ContentLength: -1, Request: req}, nil
}

var passes = holdfast.PolicyFunc(func(next holdfast.Handler) holdfast.Handler {
	return func(ctx context.Context, call *holdfast.Call) holdfast.Result { return next(ctx, call) }
})

// budgets are the calls whose price is kept: what the door adds to an answer
// that comes at once.
var budgets = []struct {
	name     string
	policies []holdfast.Policy
	body     bool
	more     float64 // allocations over the bare base
}{
	{"pass through", []holdfast.Policy{passes}, false, 2},
	{"retry", []holdfast.Policy{retry.New(retry.Options{})}, false, 2},
	{"retry, a body with GetBody", []holdfast.Policy{retry.New(retry.Options{})}, true, 2},
}

func roundTrip(rt http.RoundTripper, body bool) func() {
	payload := make([]byte, 1<<10)
	req, err := http.NewRequest(http.MethodGet, "http://server.test/", nil)
	if err != nil {
		panic(err)
	}
	if body {
		req.Method, req.ContentLength = http.MethodPut, int64(len(payload))
		req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(payload)), nil }
	}
	once := io.NopCloser(bytes.NewReader(payload))
	return func() {
		if body {
			req.Body = once
		}
		resp, err := rt.RoundTrip(req)
		if err != nil {
			panic(err)
		}
		_ = resp.Body.Close()
	}
}

func TestWhatACallCosts(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates; the ordinary run measures")
	}
	for _, b := range budgets {
		bare := testing.AllocsPerRun(200, roundTrip(instant{}, b.body))
		ours := testing.AllocsPerRun(200, roundTrip(httpclient.Wrap(instant{}, b.policies...), b.body))
		if ours > bare+b.more {
			t.Errorf("%s: %v allocations, %v without us; want at most %v more", b.name, ours, bare, b.more)
		}
	}
}

func BenchmarkRoundTrip(b *testing.B) {
	bench := func(name string, rt http.RoundTripper, body bool) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			do := roundTrip(rt, body)
			for b.Loop() {
				do()
			}
		})
	}
	bench("bare", instant{}, false)
	for _, c := range budgets {
		bench(c.name, httpclient.Wrap(instant{}, c.policies...), c.body)
	}
}
