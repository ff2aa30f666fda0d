package httpclient

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/holdfast-go/holdfast"
)

// judge is the table of statuses.
//
//	2xx 3xx 4xx  Success: the server answered for itself, also with 425 Too Early
//	408          Failure
//	429          Overload
//	503          Overload when it says when to come back, else Failure
//	502 504      Failure
//	other 5xx    Failure, not to be repeated unless RepeatStatus names it
//
// What the headers wish bends the last line (see wish), and never the first: a
// server that has answered for itself is not asked again.
func (d *door) judge(s int, wish wish) holdfast.Result {
	res := holdfast.Result{Class: holdfast.Success, Code: codeOf(s)}
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

// codes are the statuses from 100 to 599 as text, so that a call makes none.
var codes = func() string {
	var b strings.Builder
	b.Grow(500 * 3)
	for i := 100; i < 600; i++ {
		b.WriteString(strconv.Itoa(i))
	}
	return b.String()
}()

func codeOf(status int) string {
	if status < 100 || status > 599 {
		return "other" // few names, whatever the server makes up
	}
	at := (status - 100) * 3
	return codes[at : at+3]
}

// judgeError is the table of errors. ctx is the attempt's.
func judgeError(ctx context.Context, req *http.Request, err error) holdfast.Result {
	res := holdfast.Result{Err: err, Class: holdfast.ClassOf(ctx, err), Code: holdfast.CodeOf(ctx, err), After: holdfast.AfterOf(err)}
	if limit := ranOut(ctx); limit != nil && !errors.As(err, new(*holdfast.TimeoutError)) {
		res.Err = limit
	}
	if res.Code != "error" || res.Class != holdfast.Failure {
		return res // the context tells, or whoever marked the error
	}
	if cancelled(req) {
		return holdfast.Result{Err: err, Code: "cancelled", After: -1}
	}
	text := textOf(err)
	switch v := ofConnection(err, text); {
	case v != nil:
		res.Class, res.Code, res.After = v.class, v.code, v.after
		if v.class == holdfast.Refused && redirected(req, err) {
			res.Class = holdfast.Failure // the next hop was not reached, but the first one was
		}
	case isOwnMistake(text):
		res.Class, res.Code, res.After = holdfast.Ignored, "request", -1
	case isTimeout(err):
		res.Code = "timeout"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		res.Code = "eof"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		res.Code = "reset"
	}
	return res
}

type verdict struct {
	class holdfast.Class
	code  string
	after time.Duration
}

// ofConnection judges errors of making a connection, or of a connection that has
// not taken the request; nil for others.
func ofConnection(err error, text string) *verdict {
	var op *net.OpError
	_ = errors.As(err, &op)
	switch {
	case isCertificate(err):
		return &verdict{holdfast.Failure, "certificate", -1}
	case op != nil && (op.Op == "remote error" || op.Op == "local error"): // a TLS alert
		return ofAlert(op.Err.Error())
	case isNotTLS(err):
		return &verdict{holdfast.Failure, "tls", -1}
	case op != nil && (op.Op == "dial" || op.Op == "proxyconnect" || op.Op == "socks connect"), errors.As(err, new(*net.DNSError)):
		return &verdict{holdfast.Refused, "dial", 0}
	case text == "net/http: TLS handshake timeout": // before there was a connection to send on
		return &verdict{holdfast.Refused, "tls_timeout", 0}
	case isRefusedStream(err, text):
		return &verdict{holdfast.Refused, "refused_stream", 0}
	case isUnprocessed(text):
		return &verdict{holdfast.Refused, "goaway", 0}
	}
	return nil
}

// ofAlert judges a TLS alert: most say that it will be the same next time.
func ofAlert(alert string) *verdict {
	for _, lasting := range []string{"handshake failure", "protocol version", "unrecognized name", "no application protocol", "access denied", "insufficient security"} {
		if strings.Contains(alert, lasting) {
			return &verdict{holdfast.Failure, "tls", -1}
		}
	}
	if strings.Contains(alert, "certificate") {
		return &verdict{holdfast.Failure, "certificate", -1}
	}
	return &verdict{holdfast.Failure, "tls", 0}
}

// textOf is the error's own text, without what http.Client puts before it.
func textOf(err error) string {
	var outer *url.Error
	if errors.As(err, &outer) && outer.Err != nil {
		err = outer.Err
	}
	return err.Error()
}

// redirected reports whether err is a client's beneath the door, of another request
// than req: it has followed a redirect.
func redirected(req *http.Request, err error) bool {
	var outer *url.Error
	return req.URL != nil && errors.As(err, &outer) && (!strings.EqualFold(outer.Op, cmp.Or(req.Method, http.MethodGet)) || outer.URL != req.URL.Redacted())
}

func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout()
}

// isCertificate reports a certificate that does not check out.
func isCertificate(err error) bool {
	return errors.As(err, new(*tls.CertificateVerificationError)) || errors.As(err, new(x509.UnknownAuthorityError)) ||
		errors.As(err, new(x509.HostnameError)) || errors.As(err, new(x509.CertificateInvalidError)) ||
		errors.As(err, new(x509.SystemRootsError))
}

// isNotTLS reports a peer that speaks no TLS.
func isNotTLS(err error) bool {
	return errors.As(err, new(tls.RecordHeaderError)) || errors.Is(err, http.ErrSchemeMismatch)
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

// isRefusedStream knows a refused stream by the error, or by its words where
// net/http has put it into an error without a type: what it cannot rewind itself.
func isRefusedStream(err error, text string) bool {
	var refused streamError
	if errors.As(err, &refused) {
		return refused.Code == refusedStream
	}
	return strings.HasPrefix(strings.TrimPrefix(text, cannotRetry), "stream error: ") && strings.Contains(text, "; REFUSED_STREAM")
}

const cannotRetry = "http2: Transport: cannot retry err ["

// isUnprocessed knows net/http's words for a stream that a GOAWAY left out, or
// that never got onto the connection (RFC 9113 section 6.8). They have no type.
func isUnprocessed(text string) bool {
	return hasPrefix(strings.TrimPrefix(text, cannotRetry),
		"http2: Transport received Server's graceful shutdown GOAWAY",
		"http2: Transport received GOAWAY from server ErrCode:", // of a first stream, beyond the last that is processed
		"http2: client conn not usable", "http2: client conn could not be established",
	)
}

// isOwnMistake knows net/http's words for a request that it would not send, and
// those of a base that follows redirects itself and found too many.
func isOwnMistake(text string) bool {
	return hasPrefix(text,
		"unsupported protocol scheme", "net/http: invalid ", "net/http: can't write ", "http: no Host in request URL",
		"http: nil Request", "http: Request.RequestURI can't be set", "http: Request.ContentLength=", "http: ContentLength=",
		"http: invalid Host header", "http: Request.Write on Request with no Host", "http2: invalid ", "http2: request header list larger",
		"http2: request body larger than ", "invalid HTTP header ", "invalid request :path ", "invalid HTTP trailer ", "invalid Trailer key ",
		"invalid Upgrade request ", "invalid Transfer-Encoding request ", "invalid Connection request ", "stopped after 10 redirects",
	)
}

func hasPrefix(text string, prefixes ...string) bool {
	return slices.ContainsFunc(prefixes, func(prefix string) bool { return strings.HasPrefix(text, prefix) })
}
