package httpclient

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/holdfast-go/holdfast"
)

// A resumed body goes on where it broke off, with a request for the rest of the very same
// representation. What the caller has read and what follows are one, byte for byte; where that
// is not certain, he gets the error with which it broke off.
type resumed struct {
	of        *exchange
	validator string      // what If-Range has
	header    http.Header // of the answer that is taken up
	length    int64
	ctx       context.Context // of all that is asked for further
	cancel    context.CancelFunc

	mu     sync.Mutex // not held while a body is read, nor while one is asked for
	body   io.ReadCloser
	closed bool

	// Of the goroutine that reads.
	at    int64
	left  int
	again bool  // it was taken up
	err   error // what reading has ended with
}

// resumable returns the body for the caller: one that can be taken up, where that is safe.
func (x *exchange) resumable(resp *http.Response) io.ReadCloser {
	req := x.req
	validator := strongValidator(resp.Header)
	switch {
	case req.Method != "" && req.Method != http.MethodGet, req.Body != nil && req.Body != http.NoBody, req.Header["Range"] != nil, req.Header["If-Range"] != nil,
		resp.StatusCode != http.StatusOK, resp.ContentLength <= 0, resp.Uncompressed, validator == "":
		return resp.Body
	}
	a, ok := resp.Body.(*reader)
	if !ok || a.stream {
		return resp.Body
	}
	r := &resumed{of: x, validator: validator, header: resp.Header.Clone(), length: resp.ContentLength, body: resp.Body, left: x.door.Resume}
	if deadline, limited := a.life.Deadline(); limited { // the limit around the call covers what is taken up, too
		r.ctx, r.cancel = context.WithDeadline(req.Context(), deadline)
	} else {
		r.ctx, r.cancel = context.WithCancel(req.Context())
	}
	return r
}

// strongValidator returns what If-Range may have (RFC 9110 section 13.1.5): an ETag that is not
// weak, or without any a Last-Modified that is old enough to be strong (section 8.8.2.2).
func strongValidator(h http.Header) string {
	if tag := h.Get("Etag"); tag != "" {
		if len(tag) < 2 || tag[0] != '"' || tag[len(tag)-1] != '"' || len(h["Etag"]) > 1 {
			return ""
		}
		return tag
	}
	changed, err := http.ParseTime(h.Get("Last-Modified"))
	if err != nil {
		return ""
	}
	if made, err := http.ParseTime(h.Get("Date")); err != nil || made.Sub(changed) < time.Minute {
		return ""
	}
	return h.Get("Last-Modified")
}

// Read reads on, and takes up what breaks off.
func (r *resumed) Read(p []byte) (int, error) {
	for {
		r.mu.Lock()
		body, closed := r.body, r.closed
		r.mu.Unlock()
		if r.err != nil && !closed {
			return 0, r.err
		}
		if r.again { // no base is relied on to send as much as it says
			p = p[:min(int64(len(p)), r.length-r.at)]
		}
		n, err := body.Read(p)
		r.at += int64(n)
		if r.again && r.at == r.length && err == nil {
			err = io.EOF
		} else if r.again && r.at < r.length && err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		if err == nil || closed {
			return n, err
		}
		if err == io.EOF || !r.worth(err) || !r.goesOn() {
			r.err = err
			r.cancel()
			return n, err
		}
		if n > 0 {
			return n, nil
		}
	}
}

// worth reports whether an error is that of a body which has broken off, or has stalled, and
// not of a caller who has gone or of a time that is over.
func (r *resumed) worth(err error) bool {
	var limit *holdfast.TimeoutError
	switch {
	case r.ctx.Err() != nil, cancelled(r.of.req), errors.Is(err, context.Canceled):
		return false
	case errors.As(err, &limit):
		return limit.Scope == "idle"
	}
	return true
}

// goesOn asks for the rest, as often as it may, and puts it in the place of the body. All that
// was asked before is over by now: it holds no place that the rest would wait for.
func (r *resumed) goesOn() bool {
	d := r.of.door
	if r.left == 0 || r.at >= r.length || d.ResumeBudget != nil && !d.ResumeBudget.Withdraw(r.of.call.Target) {
		return false
	}
	r.left--
	req := r.of.req.Clone(r.ctx)
	req.Header.Set("Range", fmt.Sprintf("bytes=%d-", r.at))
	req.Header.Set("If-Range", r.validator)
	x := &exchange{door: d, req: req}
	resp, err := x.roundTrip() //nolint:bodyclose // it is read on, or closed below
	if err != nil {            // the policies have done what can be done
		if d.ResumeBudget != nil && !x.call.Sent() {
			d.ResumeBudget.Refund(r.of.call.Target)
		}
		return false
	}
	r.mu.Lock()
	fits := r.fits(resp) && !r.closed
	old := resp.Body
	if fits {
		old, r.body, r.again = r.body, old, true
	}
	r.mu.Unlock()
	_ = old.Close() // of what is over, or is not the rest
	return fits
}

// fits reports whether an answer is the rest, of the same representation.
func (r *resumed) fits(resp *http.Response) bool {
	h := resp.Header
	return resp.StatusCode == http.StatusPartialContent && !resp.Uncompressed &&
		len(h["Content-Range"]) == 1 && strings.EqualFold(h.Get("Content-Range"), fmt.Sprintf("bytes %d-%d/%d", r.at, r.length-1, r.length)) &&
		resp.ContentLength == r.length-r.at &&
		h.Get("Content-Encoding") == r.header.Get("Content-Encoding") && strongValidator(only(h, r.header)) == r.validator
}

// only returns the validators of an answer to a Range, by which it is compared with what it is
// to go on from: a Last-Modified only where that had no ETag, with the Date that it had.
func only(h, first http.Header) http.Header {
	v := http.Header{}
	if first.Get("Etag") != "" {
		v["Etag"] = h["Etag"]
		return v
	}
	v["Last-Modified"], v["Date"] = h["Last-Modified"], first["Date"]
	return v
}

// Close closes what is read, and ends what is asked for.
func (r *resumed) Close() error {
	r.mu.Lock()
	r.closed = true
	body := r.body
	r.mu.Unlock()
	r.cancel()
	return body.Close()
}
