package httpclient

import (
	"context"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/holdfast-go/holdfast"
)

// judge is the table of statuses.
//
//	2xx 3xx 4xx  Success: the server answered for itself
//	408          Failure
//	421 425      Conflict: the same request may be sent again, after 421 on another connection
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
	case s == http.StatusMisdirectedRequest, s == http.StatusTooEarly:
		res.Class, res.After = holdfast.Conflict, wish.after
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

func codeOf(status int) holdfast.Code {
	if status < 100 || status > 599 {
		return "other" // few names, whatever the server makes up
	}
	at := (status - 100) * 3
	return holdfast.Code(codes[at : at+3])
}

// judgeError is the table of errors. ctx is the attempt's.
func (x *exchange) judgeError(ctx context.Context, s *sending, err error) holdfast.Result {
	req, v := x.req, holdfast.VerdictOf(ctx, err)
	res := holdfast.Result{Err: err, Class: v.Class, Code: v.Code, After: v.After}
	if limit := ranOut(ctx); limit != nil && !errors.As(err, new(*holdfast.TimeoutError)) {
		res.Err = limit
	}
	if cancelled(req) && errors.Is(context.Cause(ctx), errCancelled) {
		return holdfast.Result{Err: errCancelled, Code: holdfast.CodeCancelled}
	}
	paused := ctx.Err() == nil && v.Class == holdfast.LocalPause
	if !paused && (v.Code != holdfast.CodeError || v.Class != holdfast.Failure) {
		return res // the context tells, or whoever marked the error
	}
	if cancelled(req) { // net/http was the first to see it
		if strings.HasPrefix(err.Error(), errCancelled.Error()) {
			err = errCancelled
		}
		return holdfast.Result{Err: err, Code: holdfast.CodeCancelled}
	}
	text := textOf(err)
	switch v := x.ofConnection(s, err, text); {
	case v != nil && paused && v.class == holdfast.Refused:
		res.Class, res.Code = holdfast.LocalShortage, v.code // nothing was sent, and no server is known to be the reason
	case paused:
	case v != nil:
		res.Class, res.Code, res.After = v.class, v.code, v.after
		if v.class.Again(false) && redirected(req, err) { // the next hop was not reached, but the first one was
			res.Class = holdfast.Failure
			if v.class.Server() == holdfast.Unknown {
				res.Class = holdfast.LocalPause // for what this process lacks nobody is to blame, here either
			}
		}
	case isOwnMistake(text):
		res.Class, res.Code = holdfast.LocalFault, holdfast.CodeRequest
	case x.noProxy(s, err):
		res.Class, res.Code = holdfast.LocalFault, holdfast.CodeProxy
	case s.trip.unsent(): // such as a handshake that broke off
		res.Class, res.Code = holdfast.Refused, holdfast.CodeDial
	case isTimeout(err):
		res.Code = holdfast.CodeTimeout
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		res.Code = holdfast.CodeEOF
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		res.Code = holdfast.CodeReset
	}
	return res
}

type verdict struct {
	class holdfast.Class
	code  holdfast.Code
	after time.Duration
}

// ofConnection judges errors of making a connection, or of a connection that has
// not taken the request; nil for others.
func (x *exchange) ofConnection(s *sending, err error, text string) *verdict {
	var op *net.OpError
	_ = errors.As(err, &op)
	switch {
	case errors.As(err, new(x509.SystemRootsError)): // this machine has no roots to check by
		return &verdict{holdfast.LocalFault, holdfast.CodeCertificate, 0}
	case isExhausted(op, err, text):
		return &verdict{holdfast.LocalShortage, holdfast.CodeExhausted, 0}
	case isCertificate(err):
		return &verdict{holdfast.Failure, holdfast.CodeCertificate, -1}
	case op != nil && (op.Op == "remote error" || op.Op == "local error"): // a TLS alert
		return ofAlert(op.Err.Error())
	case isNotTLS(err):
		return &verdict{holdfast.Failure, holdfast.CodeTLS, -1}
	case op != nil && (op.Op == "dial" || op.Op == "proxyconnect" || op.Op == "socks connect"), errors.As(err, new(*net.DNSError)):
		return &verdict{holdfast.Refused, holdfast.CodeDial, 0}
	case x.isUnwritten(s, op, text):
		return &verdict{holdfast.Refused, holdfast.CodeReset, 0}
	case text == "net/http: TLS handshake timeout": // before there was a connection to send on
		return &verdict{holdfast.Refused, holdfast.CodeTLSTimeout, 0}
	case isRefusedStream(err, text):
		return &verdict{holdfast.Refused, holdfast.CodeRefusedStream, 0}
	case isUnprocessed(text):
		return &verdict{holdfast.Refused, holdfast.CodeGoAway, 0}
	}
	return x.ofProxy(err, text)
}

// ofAlert judges a TLS alert: most say that it will be the same next time.
func ofAlert(alert string) *verdict {
	for _, lasting := range []string{"handshake failure", "protocol version", "unrecognized name", "no application protocol", "access denied", "insufficient security"} {
		if strings.Contains(alert, lasting) {
			return &verdict{holdfast.Failure, holdfast.CodeTLS, -1}
		}
	}
	if strings.Contains(alert, "certificate") {
		return &verdict{holdfast.Failure, holdfast.CodeCertificate, -1}
	}
	return &verdict{holdfast.Failure, holdfast.CodeTLS, 0}
}
