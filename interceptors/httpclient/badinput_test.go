package httpclient_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/interceptors/httpclient"
)

// Bad input ends in a clear error or a stated default.
func TestBadInput(t *testing.T) {
	answers := func(resp *http.Response, err error) http.RoundTripper {
		return base(func(*http.Request) (*http.Response, error) { return resp, err })
	}
	returns := func(res holdfast.Result) holdfast.Policy {
		return holdfast.PolicyFunc(func(next holdfast.Handler) holdfast.Handler {
			return func(ctx context.Context, call *holdfast.Call) holdfast.Result { next(ctx, call); return res }
		})
	}
	var kept holdfast.Result
	keep := holdfast.PolicyFunc(func(next holdfast.Handler) holdfast.Handler {
		return func(ctx context.Context, call *holdfast.Call) holdfast.Result { kept = next(ctx, call); return kept }
	})
	fine := response(nil, 200, nil)
	if _, err := httpclient.Wrap(answers(response(nil, 200, bodyOf("kept")), nil), keep).RoundTrip(request(t, "GET", "http://a/", nil)); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		base   http.RoundTripper
		policy holdfast.Policy
		want   string // of the error; empty: none
	}{
		"nothing from below":           {answers(nil, nil), quick(3), "neither a response nor an error"},
		"a response without a body":    {answers(fine, nil), quick(3), ""},
		"nil policies":                 {answers(fine, nil), nil, ""},
		"a typed nil":                  {answers(fine, nil), holdfast.PolicyFunc(nil), ""},
		"a Wrap that gives none":       {answers(fine, nil), holdfast.PolicyFunc(func(holdfast.Handler) holdfast.Handler { return nil }), "returned a nil Handler"},
		"an empty Result":              {answers(fine, nil), returns(holdfast.Result{}), "neither a Reply nor an error"},
		"a Reply of another transport": {answers(fine, nil), returns(holdfast.Result{Reply: new(foreignReply)}), "not this call's"},
		"a Reply of another call":      {answers(fine, nil), lazily(&kept), "not this call's"},
		"a status from nowhere":        {answers(response(nil, -7, nil), nil), quick(3), ""},
		"another one":                  {answers(response(nil, 1<<30, nil), nil), quick(3), ""},
	} {
		t.Run(name, func(t *testing.T) {
			resp, err := httpclient.Wrap(c.base, c.policy).RoundTrip(request(t, "GET", "http://a/", nil))
			switch {
			case c.want == "" && (err != nil || resp == nil || resp.Body == nil):
				t.Errorf("%v, %v", resp, err)
			case c.want != "" && (err == nil || resp != nil || !strings.Contains(err.Error(), c.want)):
				t.Errorf("%v, %v; want an error that says %q", resp, err, c.want)
			}
		})
	}
	// A nil base is http.DefaultTransport.
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	if resp, err := httpclient.Wrap(nil).RoundTrip(request(t, "GET", server.URL, nil)); err != nil || resp.StatusCode != 404 {
		t.Errorf("%v, %v", resp, err)
	}
	// A context of a type that cannot be compared.
	if resp, err := httpclient.Wrap(nil).RoundTrip(request(t, "GET", server.URL, nil).WithContext(odd{t.Context(), nil})); err != nil || resp.StatusCode != 404 {
		t.Errorf("%v, %v", resp, err)
	}
}

type odd struct {
	context.Context
	_ []int
}

type foreignReply struct{ holdfast.Ending }

func (*foreignReply) Discard() {}

func lazily(res *holdfast.Result) holdfast.Policy {
	return holdfast.PolicyFunc(func(next holdfast.Handler) holdfast.Handler {
		return func(ctx context.Context, call *holdfast.Call) holdfast.Result { next(ctx, call).Discard(); return *res }
	})
}

// A Retry-After of 10^18 seconds ends neither in a panic nor in a wait.
func TestAnAbsurdRetryAfterEndsAtOnce(t *testing.T) {
	for _, value := range []string{"1000000000000000000", "9223372036854775808", "1743465600", "Fri, 31 Dec 9999 23:59:59 GMT"} {
		sends := 0
		rt := httpclient.Wrap(base(func(req *http.Request) (*http.Response, error) {
			sends++
			resp := response(req, 429, bodyOf(""))
			resp.Header.Set("Retry-After", value)
			return resp, nil
		}), quick(3))
		resp, err := rt.RoundTrip(request(t, "GET", "http://a/", nil))
		if err != nil || resp.StatusCode != 429 || sends != 1 || resp.Header.Get("Retry-After") != value {
			t.Fatalf("%v, %v after %d sends", resp, err, sends)
		}
		if why := holdfast.LedgerOf(resp.Request.Context()).Stopped; !strings.Contains(why, "> 60 s cap") {
			t.Errorf("stopped because %q", why)
		}
	}
}
