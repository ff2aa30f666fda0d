package httpclient

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/holdfast-go/holdfast"
)

// judge is the table of statuses.
//
//	2xx 3xx 4xx  Success: the server answered for itself
//	408          Failure
//	429          Overload
//	503          Overload when it says when to come back, else Failure
//	502 504      Failure
//	other 5xx    Failure, not to be repeated unless RepeatStatus names it
func (d *door) judge(s int, wish wish) holdfast.Result {
	res := holdfast.Result{Class: holdfast.Success, Code: codes[min(max(s, 0), len(codes)-1)]}
	switch {
	case s == http.StatusTooManyRequests, s == http.StatusServiceUnavailable && wish.after > 0:
		res.Class, res.After = holdfast.Overload, wish.after
	case s == http.StatusRequestTimeout, s == http.StatusBadGateway, s == http.StatusServiceUnavailable, s == http.StatusGatewayTimeout,
		s >= 400 && slices.Contains(d.RepeatStatus, s):
		res.Class, res.After = holdfast.Failure, wish.after
	case s >= 500:
		res.Class, res.After = holdfast.Failure, -1
		if wish.repeat {
			res.After = wish.after
		}
	}
	return res
}

// codes are the statuses as text, so that a call makes none.
var codes = func() (c [600]string) {
	for i := range c {
		c[i] = strconv.Itoa(i)
	}
	return c
}()

// judgeError is the table of errors. ctx is the attempt's.
func judgeError(ctx context.Context, req *http.Request, err error) holdfast.Result {
	res := holdfast.Result{Err: err, Class: holdfast.ClassOf(ctx, err), Code: holdfast.CodeOf(ctx, err)}
	if limit, ok := context.Cause(ctx).(*holdfast.TimeoutError); ok && !errors.As(err, new(*holdfast.TimeoutError)) {
		res.Err = limit
	}
	if res.Code != "error" {
		return res // the context tells
	}
	var op *net.OpError
	var refused streamError
	text := err.Error()
	_ = errors.As(err, &op)
	switch {
	case cancelled(req):
		return holdfast.Result{Err: err, Code: "cancelled", After: -1}
	case isCertificate(err):
		res.Code, res.After = "certificate", -1
	case op != nil && (op.Op == "remote error" || op.Op == "local error"): // a TLS alert
		res.Code, res.After = "tls", -1
	case op != nil && (op.Op == "dial" || op.Op == "proxyconnect" || op.Op == "socks connect"):
		res.Class, res.Code = holdfast.Refused, "dial"
	case text == "net/http: TLS handshake timeout":
		res.Class, res.Code = holdfast.Refused, "tls_timeout" // before there was a connection to send on
	case errors.As(err, &refused) && refused.Code == refusedStream, strings.Contains(text, "REFUSED_STREAM"):
		res.Class, res.Code = holdfast.Refused, "refused_stream"
	case isUnprocessed(text):
		res.Class, res.Code = holdfast.Refused, "goaway"
	case isOwnMistake(text):
		return holdfast.Result{Err: err, Code: "request", After: -1}
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		res.Code = "eof"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		res.Code = "reset"
	case isTimeout(err):
		res.Code = "timeout"
	}
	return res
}

func cancelled(req *http.Request) bool {
	select {
	case <-req.Cancel: //nolint:staticcheck // deprecated, and obeyed by net/http as ever
		return true
	default:
		return false
	}
}

func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout()
}

// isCertificate reports an error that is the same at every attempt: a certificate
// that does not check out, or a peer that speaks no TLS.
func isCertificate(err error) bool {
	var (
		verify  *tls.CertificateVerificationError
		unknown x509.UnknownAuthorityError
		host    x509.HostnameError
		invalid x509.CertificateInvalidError
		roots   x509.SystemRootsError
		record  tls.RecordHeaderError
	)
	return errors.As(err, &verify) || errors.As(err, &unknown) || errors.As(err, &host) || errors.As(err, &invalid) ||
		errors.As(err, &roots) || errors.As(err, &record) || errors.Is(err, http.ErrSchemeMismatch)
}

// streamError has the fields of net/http's own HTTP/2 stream error, whose As
// fills in any struct that has them.
type streamError struct {
	StreamID uint32
	Code     uint32
	Cause    error
}

func (streamError) Error() string { return "stream error" }

const refusedStream = 0x7 // RFC 9113 section 7

// isUnprocessed knows net/http's words for a stream that a GOAWAY left out, or
// that never got onto the connection (RFC 9113 section 6.8). They have no type.
func isUnprocessed(text string) bool {
	return strings.Contains(text, "http2: Transport received Server's graceful shutdown GOAWAY") ||
		strings.Contains(text, "http2: client conn not usable") ||
		strings.Contains(text, "http2: client conn is closed")
}

// isOwnMistake knows net/http's words for a request that it would not send.
func isOwnMistake(text string) bool {
	for _, words := range []string{
		"unsupported protocol scheme", "net/http: invalid ", "http: no Host in request URL", "http: nil Request",
		"http: Request.RequestURI can't be set", "http: server gave HTTP response to HTTPS client",
		"http: ContentLength=", "http2: invalid ",
	} {
		if strings.Contains(text, words) {
			return true
		}
	}
	return false
}
