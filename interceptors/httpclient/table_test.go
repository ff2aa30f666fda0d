package httpclient

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
)

type alert string

func (a alert) Error() string { return "tls: " + string(a) }

// The table of errors, for those that no test brings about on a real connection.
// R12: a POST is sent again after the Refused ones alone.
func TestErrorsAreJudgedByOneTable(t *testing.T) {
	const none = time.Duration(0)
	wrapped := func(err error) error { return &url.Error{Op: "Get", URL: "http://a", Err: err} }
	for _, c := range []struct {
		err   error
		class holdfast.Class
		code  holdfast.Code
		after time.Duration
	}{
		{errors.New("anything"), holdfast.Failure, "error", none},
		{io.EOF, holdfast.Failure, "eof", none},
		{io.ErrUnexpectedEOF, holdfast.Failure, "eof", none},
		{errors.New("http: server closed idle connection"), holdfast.Failure, "error", none},
		{&net.OpError{Op: "read", Err: syscall.ECONNRESET}, holdfast.Failure, "reset", none},
		{&net.OpError{Op: "write", Err: syscall.EPIPE}, holdfast.Failure, "reset", none},
		{&net.OpError{Op: "read", Err: timeoutError{}}, holdfast.Failure, "timeout", none},
		{&net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}, holdfast.Refused, "dial", none},
		{&net.OpError{Op: "dial", Err: timeoutError{}}, holdfast.Refused, "dial", none},
		{&net.OpError{Op: "proxyconnect", Err: errors.New("no")}, holdfast.Refused, "dial", none},
		{&net.DNSError{Err: "no such host", Name: "a", IsNotFound: true}, holdfast.Refused, "dial", none},
		{wrapped(&net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}), holdfast.Refused, "dial", none},
		{errors.New("net/http: TLS handshake timeout"), holdfast.Refused, "tls_timeout", none},
		{&net.OpError{Op: "remote error", Err: alert("bad certificate")}, holdfast.Failure, "certificate", -1},
		{&net.OpError{Op: "remote error", Err: alert("handshake failure")}, holdfast.Failure, "tls", -1},
		{&net.OpError{Op: "local error", Err: alert("bad record MAC")}, holdfast.Failure, "tls", none},
		{tls.RecordHeaderError{}, holdfast.Failure, "tls", -1},
		{http.ErrSchemeMismatch, holdfast.Failure, "tls", -1},
		{&tls.CertificateVerificationError{Err: errors.New("x")}, holdfast.Failure, "certificate", -1},
		{errors.New("stream error: stream ID 1; REFUSED_STREAM; received from peer"), holdfast.Refused, "refused_stream", none},
		{errors.New("stream error: stream ID 1; INTERNAL_ERROR; received from peer"), holdfast.Failure, "error", none},
		{errors.New("a proxy says REFUSED_STREAM"), holdfast.Failure, "error", none},
		{errors.New("http2: Transport received GOAWAY from server ErrCode:ENHANCE_YOUR_CALM"), holdfast.Refused, "goaway", none},
		{errors.New("http2: client conn not usable"), holdfast.Refused, "goaway", none},
		{errors.New("http2: client conn could not be established"), holdfast.Refused, "goaway", none},
		{errors.New("http2: server sent GOAWAY and closed the connection; LastStreamID=1, ErrCode=NO_ERROR"), holdfast.Failure, "error", none}, // it may have processed it
		{errors.New("http2: client conn is closed"), holdfast.Failure, "error", none},                                                          // in the midst of the body
		{errors.New("http2: client connection lost"), holdfast.Failure, "error", none},
		{errors.New(`unsupported protocol scheme "gopher"`), holdfast.LocalFault, "request", none},
		{wrapped(errors.New("stopped after 10 redirects")), holdfast.LocalFault, "request", none},
		{fmt.Errorf("malformed response %q", "net/http: invalid "), holdfast.Failure, "error", none}, // a server does not excuse itself
		{holdfast.Mark(errors.New("x"), holdfast.Overload, 0), holdfast.Overload, "error", none},
	} {
		res := judged(t.Context(), c.err)
		if res.Class != c.class || res.Code != c.code || res.After != c.after || res.Err != c.err {
			t.Errorf("%v: %v %s after %v, want %v %s after %v", c.err, res.Class, res.Code, res.After, c.class, c.code, c.after)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if res := judged(ctx, errors.New("whatever")); res.Class != holdfast.Ignored || res.Code != "cancelled" {
		t.Errorf("after a cancel: %+v", res)
	}
}

func judged(ctx context.Context, err error) holdfast.Result {
	x := &exchange{door: new(door), req: &http.Request{URL: &url.URL{Scheme: "http", Host: "a"}}}
	return x.judgeError(ctx, new(sending), err)
}

type timeoutError struct{}

func (timeoutError) Error() string { return "i/o timeout" }
func (timeoutError) Timeout() bool { return true }

// T21: clocks that differ do no harm: a date is compared with the response's own.
func TestT21_TheServersClockCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := time.Now().Add(3 * time.Hour) // its clock is fast
		value := server.Add(30 * time.Second).Format(http.TimeFormat)
		if got, ok := retryAfter(value, server.Format(http.TimeFormat)); got != 30*time.Second || !ok {
			t.Errorf("%v, %v", got, ok)
		}
		if got, ok := retryAfter(time.Now().Add(30*time.Second).Format(http.TimeFormat), "no date"); got != 30*time.Second || !ok {
			t.Errorf("without a date: %v, %v", got, ok)
		}
	})
}

// A quota's name may have anything in it.
func TestRateLimitNamesAreStrings(t *testing.T) {
	for value, want := range map[string]time.Duration{
		`"a,b;r=0;t=99";r=0;t=5`:    5 * time.Second,
		`"quote \" ;r=0;t=99";r=1`:  0,
		`"r=0";t=5`:                 0,
		`"no end;r=0;t=99`:          0,
		`"a";r=0;t=5, "no end;r=0;`: 0,
	} {
		if got, _ := rateLimit([]string{value}); got != want {
			t.Errorf("%s is %v, want %v", value, got, want)
		}
	}
}

func TestStatusesHaveFewNames(t *testing.T) {
	for status, want := range map[int]holdfast.Code{100: "100", 200: "200", 503: "503", 599: "599", 600: "other", 999: "other", 0: "other", -7: "other"} {
		if got := codeOf(status); got != want {
			t.Errorf("%d is %q, want %q", status, got, want)
		}
	}
}
