package httpclient

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"syscall"

	"github.com/holdfast-go/holdfast"
)

// isExhausted knows that this process has no port or file descriptor left to connect
// with. An error of a name server's client has lost the number and kept the words.
func isExhausted(op *net.OpError, err error, text string) bool {
	if connecting := op != nil && (op.Op == "dial" || op.Op == "proxyconnect" || op.Op == "socks connect"); !connecting && !errors.As(err, new(*net.DNSError)) {
		return false // there was a connection, or it is something else that was lacking
	}
	for _, lack := range []error{syscall.EMFILE, syscall.ENFILE, syscall.EADDRNOTAVAIL, syscall.EADDRINUSE, syscall.ENOBUFS} {
		if errors.Is(err, lack) || strings.Contains(text, lack.Error()) && errors.As(err, new(*net.DNSError)) {
			return true
		}
	}
	return false
}

// isUnwritten knows a connection of HTTP/1 that was kept, and on which the request was
// not written: net/http then returns the error of the write as it is, and otherwise puts
// words before it. But the error of a write in the midst of a body it takes for the
// body's own and returns as it is, too, so that a request with a body counts only when
// nothing was read of the body: net/http writes the headers first. It does not for a body
// in memory, which it sends again by itself.
func (x *exchange) isUnwritten(s *sending, op *net.OpError, text string) bool {
	if s.out == nil || x.door.wire.speaks(x.req.URL.Scheme) != 1 && s.trip.speaks() != 1 || strings.HasPrefix(text, "net/http: ") {
		return false
	}
	write := op != nil && op.Op == "write"
	switch body := s.out.Body.(type) {
	case nil, *nothing:
		return write
	case interface{ unread() bool }:
		gone := write || op != nil && op.Op == "read" || text == "http: server closed idle connection"
		return gone && body.unread() && s.out.Header["Expect"] == nil // else the headers may be there, and the server has not asked for more
	default:
		return write && body == http.NoBody
	}
}

// noProxy reports whether the error is that of the base's Proxy, which was to say where the
// request goes: there was no connection, and no server.
func (x *exchange) noProxy(s *sending, err error) bool {
	if !x.door.leaf || x.door.wire.base.Proxy == nil || s.out == nil {
		return false
	}
	_, own := x.door.wire.base.Proxy(s.out)
	return own != nil && own.Error() == err.Error()
}

// plainError is the type of the errors that net/http makes of what a proxy answers to
// CONNECT: it is the reason phrase, and nothing else.
var plainError = reflect.TypeOf(errors.New(""))

// ofProxy judges a proxy that would not connect. There was no connection, so the server
// has not begun: a gateway that could not reach it is a dial that failed; what a proxy
// holds against the request will be the same next time, and is not of the server.
func (x *exchange) ofProxy(err error, text string) *verdict {
	var outer *url.Error
	if errors.As(err, &outer) && outer.Err != nil {
		err = outer.Err
	}
	if !x.door.leaf || x.req.URL.Scheme != "https" || reflect.TypeOf(err) != plainError || x.door.wire.base.Proxy == nil {
		return nil
	}
	switch text {
	case "", "unknown status code", // there was no reason phrase
		"Proxy Error", "Service Temporarily Unavailable", "Gateway Time-out": // Apache, nginx and HAProxy
		return &verdict{holdfast.Refused, holdfast.CodeProxy, 0}
	}
	for status := 300; status < 600; status++ {
		switch {
		case text != http.StatusText(status):
		case status >= 500, status == http.StatusRequestTimeout, status == http.StatusTooManyRequests:
			return &verdict{holdfast.Refused, holdfast.CodeProxy, 0}
		default:
			return &verdict{holdfast.LocalFault, holdfast.CodeProxy, 0}
		}
	}
	return nil
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
		errors.As(err, new(x509.HostnameError)) || errors.As(err, new(x509.CertificateInvalidError))
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

// untaken reports that net/http would have sent a request again if it could have had the
// body once more, and that the server has not begun.
func untaken(err error) bool {
	text := textOf(err)
	return strings.HasPrefix(text, cannotRetry) && (isRefusedStream(err, text) || isUnprocessed(text))
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
	if strings.HasPrefix(text, brokenBy+"http: ContentLength=") { // which shows when the headers are out
		return true
	}
	if strings.Contains(text, "net/http: server response headers exceeded ") { // our own MaxResponseHeaderBytes
		return true
	}
	return hasPrefix(text,
		"unsupported protocol scheme", "net/http: invalid ", "net/http: can't write ", "http: no Host in request URL",
		"http: nil Request", "http: Request.RequestURI can't be set", "http: Request.ContentLength=", "http: ContentLength=",
		"http: invalid Host header", "http: Request.Write on Request with no Host", "http2: invalid ", "http2: request header list larger",
		"http2: request body larger than ", "invalid HTTP header ", "invalid request :path ", "invalid HTTP trailer ", "invalid Trailer key ",
		"invalid Upgrade request ", "invalid Transfer-Encoding request ", "invalid Connection request ", "stopped after 10 redirects",
	)
}

// brokenBy is what net/http puts before an error that ended a connection of HTTP/1 on
// which something was written.
const brokenBy = "net/http: HTTP/1.x transport connection broken: "

func hasPrefix(text string, prefixes ...string) bool {
	return slices.ContainsFunc(prefixes, func(prefix string) bool { return strings.HasPrefix(text, prefix) })
}
