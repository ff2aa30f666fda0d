package httpclient_test

import (
	"net/http"
	"testing"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/interceptors/httpclient"
)

// A Result says whether its answer is a stream: as it was asked for, or as it shows.
func TestAResultSaysWhetherItIsAStream(t *testing.T) {
	for name, c := range map[string]struct {
		accept, kind string
		status       int
		want         bool
	}{
		"neither": {"application/json", "application/json", 200, false}, "asked for": {"text/event-stream", "application/json", 200, true},
		"shown": {"application/json", "text/event-stream", 200, true}, "a failure": {"application/json", "text/event-stream", 503, false},
	} {
		var results []holdfast.Result
		resp, err := httpclient.Wrap(base(func(req *http.Request) (*http.Response, error) {
			resp := response(req, c.status, bodyOf("x"))
			resp.Header.Set("Content-Type", c.kind)
			return resp, nil
		}), spy(&results)).RoundTrip(func() *http.Request {
			req := request(t, "GET", "http://a/", nil)
			req.Header.Set("Accept", c.accept)
			return req
		}())
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if results[0].Stream != c.want {
			t.Errorf("%s: %v", name, results[0].Stream)
		}
	}
}
