package httpclient

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/attempt"
)

// A resumed body goes on where it broke off, with a request for the rest of the very same
// representation. What the caller has read and what follows are one, byte for byte; where that
// is not certain, he gets the error with which it broke off, and with it the one why there was no
// answer to the request for the rest.
type resumed struct {
	of     *exchange
	within context.Context // of the attempt that is taken up, which has ended by then
	header http.Header     // of its answer
	strong string          // the header that If-Range has
	length int64
	ctx    context.Context // of all that is asked for further
	cancel context.CancelFunc

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
	req, strong := x.req, strongValidator(resp.Header)
	switch {
	case x.call.Method != http.MethodGet, !x.call.Repeatable, req.Body != nil && req.Body != http.NoBody, req.Header["Range"] != nil, req.Header["If-Range"] != nil,
		resp.StatusCode != http.StatusOK, resp.Uncompressed, strong == "":
		return resp.Body
	}
	a, ok := resp.Body.(*reader)
	if !ok || a.stream {
		return resp.Body
	}
	r := &resumed{of: x, within: a.life.Context, header: resp.Header.Clone(), strong: strong, length: resp.ContentLength, body: resp.Body, left: x.door.Resume}
	if deadline, limited := r.within.Deadline(); limited { // the limit around the call covers what is taken up, too
		limit, _ := r.within.Value(attempt.LimitKey{}).(error) // nil: it is the caller's own deadline
		r.ctx, r.cancel = context.WithDeadlineCause(req.Context(), deadline, limit)
	} else {
		r.ctx, r.cancel = context.WithCancel(req.Context())
	}
	return r
}

// strongValidator returns the name of the header that If-Range may have (RFC 9110 section
// 13.1.5): an ETag that is not weak, or without any a Last-Modified that is old enough to be
// strong (section 8.8.2.2).
func strongValidator(h http.Header) string {
	if tags := h["Etag"]; len(tags) > 0 {
		if tag := tags[0]; len(tags) > 1 || len(tag) < 2 || tag[0] != '"' || tag[len(tag)-1] != '"' {
			return ""
		}
		return "Etag"
	}
	changed, err := http.ParseTime(h.Get("Last-Modified"))
	made, err2 := http.ParseTime(h.Get("Date"))
	if err != nil || err2 != nil || made.Sub(changed) < time.Minute {
		return ""
	}
	return "Last-Modified"
}

// Read reads on, and takes up what breaks off.
func (r *resumed) Read(p []byte) (int, error) {
	for {
		if r.err != nil {
			return 0, r.err
		}
		r.mu.Lock()
		body := r.body
		r.mu.Unlock()
		n, err := r.read(body, p)
		if err != nil && err != io.EOF && r.worth(err) {
			goesOn, why := r.goesOn()
			if goesOn && n == 0 {
				continue
			}
			if goesOn {
				err = nil
			} else if why != nil {
				err = fmt.Errorf("%w (it could not be taken up: %w)", err, why)
			}
		}
		if err == nil {
			return n, nil
		}
		r.err = err
		r.cancel()
		return n, err
	}
}

// read reads body. No base is relied on to send as much of the rest as it says.
func (r *resumed) read(body io.ReadCloser, p []byte) (n int, err error) {
	missing := r.length - r.at
	switch {
	case !r.again:
		n, err = body.Read(p)
	case missing > 0:
		n, err = body.Read(p[:min(int64(len(p)), missing)])
		if err == io.EOF && int64(n) < missing {
			err = io.ErrUnexpectedEOF
		}
	default: // it is over with its end, which may come later
		if n, err = body.Read(make([]byte, 1)); n > 0 {
			_ = body.Close()
			return 0, errLonger
		}
	}
	r.at += int64(n)
	return n, err
}

var errLonger = errors.New("httpclient: the rest of an answer is longer than it said")

// worth reports whether an error is that of a body which has broken off, or has stalled, and
// not of a caller who has gone or of a time that is over.
func (r *resumed) worth(err error) bool {
	var limit *holdfast.TimeoutError
	switch {
	case r.at >= r.length, r.ctx.Err() != nil, cancelled(r.of.req):
		return false
	case errors.As(err, &limit):
		return limit.Scope == "idle"
	}
	return true
}

// goesOn asks for the rest, as often as it may, and puts it in the place of the body. All that
// was asked before is over by now: it holds no place that the rest would wait for. Where it was
// asked for and there was no answer, it returns why.
func (r *resumed) goesOn() (ok bool, why error) {
	d, call := r.of.door, &r.of.call
	r.mu.Lock()
	closed := r.closed
	r.mu.Unlock()
	if closed || r.left == 0 {
		return false, nil
	}
	if _, may := call.MayRepeat(r.within); !may {
		return false, nil
	}
	req := r.of.req.Clone(r.ctx)
	req.Header.Set("Range", fmt.Sprintf("bytes=%d-", r.at))
	req.Header.Set("If-Range", r.header.Get(r.strong))
	x := &exchange{door: d, req: req}
	if d.ResumeBudget != nil {
		if !d.ResumeBudget.Withdraw(call.Target) {
			return false, nil
		}
		defer func() { // also when something panics before it is sent
			if !x.call.Sent() {
				d.ResumeBudget.Refund(call.Target)
			}
		}()
	}
	r.left--
	resp, err := x.roundTrip() //nolint:bodyclose // it is read on, or closed below
	if err != nil {            // the policies have done what can be done
		return false, err
	}
	r.mu.Lock()
	fits := r.fits(resp) && !r.closed
	old := resp.Body
	if fits {
		old, r.body, r.again = r.body, old, true
	}
	r.mu.Unlock()
	_ = old.Close() // of what is over, or is not the rest
	return fits, nil
}

// fits reports whether an answer is the rest, of the same representation.
func (r *resumed) fits(resp *http.Response) bool {
	is := func(name, value string) bool { return len(resp.Header[name]) == 1 && resp.Header[name][0] == value }
	parts := resp.Header["Content-Range"]
	kind := resp.Header["Content-Type"]
	return resp.StatusCode == http.StatusPartialContent && !resp.Uncompressed && resp.ContentLength == r.length-r.at &&
		(kind == nil || slices.Equal(kind, r.header["Content-Type"])) && // several parts are of another
		len(parts) == 1 && strings.EqualFold(parts[0], fmt.Sprintf("bytes %d-%d/%d", r.at, r.length-1, r.length)) &&
		slices.Equal(resp.Header["Content-Encoding"], r.header["Content-Encoding"]) && is(r.strong, r.header.Get(r.strong))
}

// Close closes what is read, and then ends what is asked for: what is closed early has not been
// cancelled.
func (r *resumed) Close() error {
	r.mu.Lock()
	r.closed = true
	body := r.body
	r.mu.Unlock()
	defer r.cancel()
	return body.Close()
}
