package httpclient_test

import (
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/interceptors/httpclient"
)

// net/http closes a connection on which the body was not as long as was announced, and what
// it reads there then may be the error that the caller gets.
func TestALengthThatDoesNotMatchIsTheCallersWhateverTheErrorSays(t *testing.T) {
	closed := &net.OpError{Op: "read", Net: "tcp", Err: net.ErrClosed}
	base := reads{closed}
	for _, length := range []int64{3, 5, 9, -1} {
		for name, again := range map[string]func() (io.ReadCloser, error){
			"stream": nil, "GetBody": func() (io.ReadCloser, error) { return bodyOf("short"), nil },
			"memory": func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader("short")), nil },
		} {
			var results []holdfast.Result
			req := request(t, "PUT", "http://a/", nil)
			req.ContentLength, req.Body, req.GetBody = length, bodyOf("short"), again
			if again != nil {
				req.Body, _ = again()
			}
			_, err := httpclient.Wrap(base, spy(&results)).RoundTrip(req)
			local := length == 3 || length == 9
			if !errors.Is(err, net.ErrClosed) || (results[0].Class == holdfast.LocalFault) != local {
				t.Errorf("%s, %d bytes announced: %v %+v", name, length, err, results)
			}
		}
	}
}

// A reads is a base that reads the whole body and fails.
type reads struct{ error }

func (r reads) RoundTrip(req *http.Request) (*http.Response, error) {
	_, _ = io.Copy(io.Discard, req.Body)
	_ = req.Body.Close()
	return nil, r.error
}
