package httpclient_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"testing"
	"testing/iotest"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/interceptors/httpclient"
)

// Nothing is read of what has no length, or no body, before its caller reads it.
func TestWhatHasNoLengthIsNotReadWhole(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		length int64
		none   bool
		reads  bool
	}{
		"200": {200, 5, false, true}, "an unknown length": {200, -1, false, false}, "no length": {200, 0, false, false}, "too long": {200, 101, false, false},
		"no body": {200, 5, true, false}, "101": {101, 5, false, false}, "204": {204, 5, false, false}, "304": {304, 5, false, false},
	} {
		body := bodyOf("hello")
		resp, err := httpclient.Wrapper{WholeBody: 100}.Wrap(base(func(req *http.Request) (*http.Response, error) {
			resp := response(req, c.status, body)
			if resp.ContentLength = c.length; c.none {
				resp.Body = http.NoBody
			}
			return resp, nil
		}), passes).RoundTrip(request(t, "GET", "http://a/", nil))
		if read := body.reads.Load() != 0; err != nil || read != c.reads {
			t.Errorf("%s: read %v, %v", name, read, err)
			continue
		}
		_ = resp.Body.Close()
	}
}

// An answer that breaks off as it is read whole is closed, and is what Classify, a limit, or its
// caller makes of it.
func TestWhatAnAnswerThatBreaksOffIs(t *testing.T) {
	boom := errors.New("boom")
	gone := make(chan struct{})
	for name, c := range map[string]struct {
		wrapper httpclient.Wrapper
		cancel  <-chan struct{}
		read    func() // while it is read
		class   holdfast.Class
		code    holdfast.Code
		is      func(error) bool
	}{
		"broken": {class: holdfast.Failure, code: holdfast.CodeTruncated, is: func(err error) bool { return errors.Is(err, boom) }},
		"classified": {wrapper: httpclient.Wrapper{Classify: func(resp *http.Response, err error) (holdfast.Verdict, bool) {
			return holdfast.Verdict{Class: holdfast.LocalFault, Code: "mine"}, resp == nil && errors.Is(err, boom)
		}}, class: holdfast.LocalFault, code: "mine", is: func(err error) bool { return errors.Is(err, boom) }},
		"cancelled": {cancel: gone, read: func() { close(gone) }, class: holdfast.Ignored, code: holdfast.CodeCancelled, is: func(err error) bool {
			return err != nil && err.Error() == "net/http: request canceled"
		}},
	} {
		body := bodyOf("")
		body.Reader = io.MultiReader(bytes.NewReader([]byte("he")), readFunc(func([]byte) (int, error) {
			if c.read != nil {
				c.read()
			}
			return 0, boom
		}), iotest.ErrReader(boom))
		var seen holdfast.Result
		c.wrapper.WholeBody = 100
		req := request(t, "GET", "http://a/", nil).WithContext(context.Background())
		req.Cancel = c.cancel //nolint:staticcheck // obeyed as ever
		_, err := c.wrapper.Wrap(base(func(req *http.Request) (*http.Response, error) {
			resp := response(req, 200, body)
			resp.ContentLength = 5
			return resp, nil
		}), after(func(_ *holdfast.Call, res holdfast.Result) { seen = res })).RoundTrip(req)
		if !c.is(err) || seen.Class != c.class || seen.Code != c.code || body.closes.Load() != 1 {
			t.Errorf("%s: %v, %v %v, closed %d times", name, err, seen.Class, seen.Code, body.closes.Load())
		}
	}
}
