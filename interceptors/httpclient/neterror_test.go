package httpclient_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/interceptors/httpclient"
	"github.com/holdfast-go/holdfast/timeout"
)

// A limit that ran out is a net.Error, alone and after several attempts, so that
// http.Client and whoever asks it know a timeout; what is none says so.
func TestTimeoutsAreNetErrors(t *testing.T) {
	for name, c := range map[string]struct {
		policies []holdfast.Policy
		hang     bool
		timeout  bool
		several  bool
	}{
		"a limit":                 {[]holdfast.Policy{timeout.New(timeout.Options{Limit: time.Second})}, true, true, false},
		"a limit, thrice":         {[]holdfast.Policy{quick(3), timeout.New(timeout.Options{Limit: time.Second})}, true, true, true},
		"a limit around attempts": {[]holdfast.Policy{timeout.New(timeout.Options{Limit: 2500 * time.Millisecond}), quick(9), timeout.New(timeout.Options{Limit: time.Second})}, true, true, true},
		"no server":               {[]holdfast.Policy{quick(3)}, false, false, true},
	} {
		synctest.Test(t, func(t *testing.T) {
			transport, _ := inMemory(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
			to := "http://server.test/"
			if !c.hang {
				to = "http://nobody.test/"
			}
			_, err := (&http.Client{Transport: httpclient.Wrap(over(transport, false), c.policies...)}).Do(request(t, "GET", to, nil))
			var outer *url.Error
			if !errors.As(err, &outer) || outer.Timeout() != c.timeout || errors.Is(err, context.DeadlineExceeded) != c.timeout {
				t.Errorf("%s: %v", name, err)
			}
			var all *holdfast.AttemptsError
			if errors.As(err, &all) != c.several {
				t.Errorf("%s: %v is of several attempts: %v", name, err, !c.several)
			}
			var inner net.Error = all
			if !c.several {
				var limit *holdfast.TimeoutError
				if !errors.As(err, &limit) {
					t.Fatalf("%s: %v", name, err)
				}
				inner = limit
			}
			if inner.Timeout() != c.timeout {
				t.Errorf("%s: %v is a timeout: %v", name, inner, !c.timeout)
			}
		})
	}
}

// Request.Cancel ends a call with the words that net/http has for it, whenever it comes,
// and no error of ours in their place.
func TestRequestCancelKeepsItsError(t *testing.T) {
	for name, c := range map[string]struct {
		path  string
		after time.Duration // below zero: before the call
	}{"before": {"/", -1}, "while the server works": {"/hang", time.Second}} {
		for _, http2 := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				transport, _ := inMemory(t, func(_ http.ResponseWriter, r *http.Request) {
					if r.URL.Path == "/hang" {
						<-r.Context().Done()
					}
				})
				do := func(rt http.RoundTripper) error {
					cancel := make(chan struct{})
					if c.after < 0 {
						close(cancel)
					} else {
						time.AfterFunc(c.after, func() { close(cancel) })
					}
					req := request(t, "GET", "http://server.test"+c.path, nil)
					req.Cancel = cancel //nolint:staticcheck // deprecated, and obeyed as ever
					resp, err := rt.RoundTrip(req)
					if err == nil {
						t.Errorf("%s: answered %v", name, resp.Status)
						err = errors.New("answered")
					}
					return err
				}
				rt := over(transport, http2)
				bare := do(rt)
				var results []holdfast.Result
				ours := do(httpclient.Wrap(rt, quick(3), timeout.New(timeout.Options{Limit: time.Minute}), spy(&results)))
				want := strings.TrimSuffix(bare.Error(), " while waiting for connection") // which it says now and then
				if ours.Error() != want || len(results) != 1 || results[0].Class != holdfast.Ignored || results[0].Code != holdfast.CodeCancelled {
					t.Errorf("%s, HTTP/2 %v: %q, and %q without us; judged as %+v", name, http2, ours, bare, results)
				}
			})
		}
	}
}
