package httpclient_test

import (
	"errors"
	"net"
	"net/http"
	"net/url"
	"os"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/breaker"
	"github.com/holdfast-go/holdfast/interceptors/httpclient"
	"github.com/holdfast-go/holdfast/limit"
)

// The base's own Proxy function did not say where the request goes: there is no server, and
// the answer will be the same next time.
func TestAProxyFunctionThatFails(t *testing.T) {
	for _, at := range []string{"http://server.test/", "https://server.test/"} {
		transport := &http.Transport{Proxy: func(*http.Request) (*url.URL, error) { return nil, errors.New("the list of proxies cannot be read") }}
		circuit := breaker.New(breaker.Options{ConsecutiveFailures: 1})
		var results []holdfast.Result
		_, err := httpclient.Wrap(transport, quick(3), circuit, spy(&results)).RoundTrip(request(t, "GET", at, nil))
		if err == nil || len(results) != 1 || results[0].Class != holdfast.LocalFault || results[0].Code != holdfast.CodeProxy {
			t.Errorf("%s: %v, judged as %+v", at, err, results)
		}
		if s := circuit.Status("server.test"); s.State != breaker.Closed || s.Failures != 0 {
			t.Errorf("%s: %+v", at, s)
		}
	}
}

// A base that follows redirects itself has reached one server when it cannot reach the next:
// what it lacks is this process's own, and what is not repeatable is not sent again.
func TestALackAfterARedirect(t *testing.T) {
	lack := &net.OpError{Op: "dial", Err: os.NewSyscallError("socket", syscall.EMFILE)}
	for method, times := range map[string]int{"POST": 1, "GET": 3} {
		circuit := breaker.New(breaker.Options{ConsecutiveFailures: 1})
		var results []holdfast.Result
		follows := base(func(*http.Request) (*http.Response, error) {
			return nil, &url.Error{Op: "Get", URL: "http://next.test/", Err: lack}
		})
		_, err := httpclient.Wrap(follows, quick(3), circuit, spy(&results)).RoundTrip(request(t, method, "http://server.test/", nil))
		if err == nil || len(results) != times {
			t.Errorf("%s: %v after %d attempts, want %d", method, err, len(results), times)
		}
		for _, res := range results {
			if res.Class.Server() != holdfast.Unknown || res.Class.Again(false) || res.Code != holdfast.CodeExhausted {
				t.Errorf("%s: judged as %v %s", method, res.Class, res.Code)
			}
		}
		if s := circuit.Status("server.test"); s.State != breaker.Closed || s.Failures != 0 {
			t.Errorf("%s: %+v", method, s)
		}
	}
}

// An answer whose end comes with its headers is over when it is there: it holds nothing,
// although a caller who knows net/http need not close it.
func TestAnAnswerThatEndsWithItsHeaders(t *testing.T) {
	for _, http2 := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			transport, _ := inMemory(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
			client := httpclient.Wrap(over(transport, http2), limit.NewInFlight(limit.InFlightOptions{Max: 1}))
			for i := range 3 {
				resp, err := client.RoundTrip(request(t, "GET", "http://server.test/", nil))
				if err != nil || resp.StatusCode != http.StatusNoContent {
					t.Fatalf("HTTP/2 %v, call %d: %v, %v", http2, i, resp, err)
				}
			}
			transport.CloseIdleConnections()
		})
	}
}
