package httpclient_test

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/interceptors/httpclient"
)

// What a base beneath the door says of its own error by Mark is the verdict.
func TestAMarkedErrorOfTheBaseIsTheVerdict(t *testing.T) {
	boom := errors.New("boom")
	for _, c := range []struct {
		class holdfast.Class
		after time.Duration
	}{{holdfast.Refused, 0}, {holdfast.Overload, time.Minute}, {holdfast.Failure, holdfast.Never}} {
		var results []holdfast.Result
		_, err := httpclient.Wrap(base(func(*http.Request) (*http.Response, error) {
			return nil, holdfast.Mark(boom, c.class, c.after)
		}), spy(&results)).RoundTrip(request(t, "POST", "http://a/", nil))
		if !errors.Is(err, boom) || len(results) != 1 || results[0].Class != c.class || results[0].After != c.after {
			t.Errorf("%v, judged as %+v; want %v after %v", err, results, c.class, c.after)
		}
	}
}
