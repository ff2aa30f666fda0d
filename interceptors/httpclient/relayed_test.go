package httpclient_test

import (
	"net/http"
	"testing"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/breaker"
	"github.com/holdfast-go/holdfast/interceptors/httpclient"
)

// A refusal that a trusted target only passes on is not the target's: its circuit hears
// nothing of it, while repeats and their budget are as ever. Who is not trusted, names
// itself, or succeeds, is judged by its status.
func TestARefusalThatIsPassedOn(t *testing.T) {
	only := func(targets ...string) func(string) bool {
		return func(target string) bool {
			for _, known := range targets {
				if known == target {
					return true
				}
			}
			return false
		}
	}
	for name, c := range map[string]struct {
		trusts func(string) bool
		url    string
		origin string
		status int
		class  holdfast.Class
	}{
		"a failure":            {only("edge"), "http://edge/", "deep", 503, holdfast.Relayed},
		"an overload":          {only("edge"), "http://edge/", "deep", 429, holdfast.Relayed},
		"a gateway's":          {only("edge"), "http://edge/", "deep", 502, holdfast.Relayed},
		"with a port":          {only("edge:80"), "http://edge:80/", "deep", 503, holdfast.Relayed},
		"nobody is trusted":    {nil, "http://edge/", "deep", 503, holdfast.Failure},
		"another is trusted":   {only("other"), "http://edge/", "deep", 503, holdfast.Failure},
		"no origin":            {only("edge"), "http://edge/", "", 503, holdfast.Failure},
		"an empty origin":      {only("edge"), "http://edge/", "  ", 503, holdfast.Failure},
		"itself":               {only("edge"), "http://edge/", "Edge", 503, holdfast.Failure},
		"itself, of a port":    {only("edge:80"), "http://edge:80/", "edge:80", 503, holdfast.Failure},
		"itself, not the port": {only("edge:80"), "http://edge:80/", "edge", 503, holdfast.Failure},
		"well":                 {only("edge"), "http://edge/", "deep", 200, holdfast.Success},
		"a conflict":           {only("edge"), "http://edge/", "deep", 425, holdfast.Conflict},
		"not found":            {only("edge"), "http://edge/", "deep", 404, holdfast.Success},
	} {
		circuit := breaker.New(breaker.Options{ConsecutiveFailures: 1})
		var results []holdfast.Result
		retry := quick(3)
		rt := httpclient.Wrapper{TrustOrigin: c.trusts}.Wrap(base(func(req *http.Request) (*http.Response, error) {
			resp := response(req, c.status, bodyOf("sorry"))
			if c.origin != "" {
				resp.Header.Set("holdfast-origin", c.origin)
			}
			return resp, nil
		}), retry, circuit, spy(&results))
		req := request(t, "GET", c.url, nil)
		resp, err := rt.RoundTrip(req)
		if err != nil || resp.StatusCode != c.status || readAll(t, resp) != "sorry" {
			t.Fatalf("%s: %v, %v", name, resp, err)
		}
		if results[0].Class != c.class {
			t.Errorf("%s: judged as %v", name, results[0].Class)
		}
		if s := circuit.Status(req.URL.Host); (s.State == breaker.Closed) != (c.class != holdfast.Failure) {
			t.Errorf("%s: the circuit is %v", name, s.State)
		}
		if c.class == holdfast.Relayed && (len(results) != 3 || retry.Budget().Stats(req.URL.Host).Withdrawn != 2) {
			t.Errorf("%s: %d attempts", name, len(results))
		}
	}
}
