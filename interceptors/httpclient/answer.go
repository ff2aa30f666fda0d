package httpclient

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/holdfast-go/holdfast"
)

// An answer is the response to one attempt, as policies see it: a Reply whose end
// is the end of its body. Seen by the caller it is the body (type reader).
type answer struct {
	of        *exchange
	ctx       context.Context // the attempt's
	sent      *http.Request   // what the base was given
	upload    upload          // what it reads; nil: nothing of ours
	resp      *http.Response
	body      io.ReadCloser // the base's
	class     holdfast.Class
	empty     bool        // there is nothing to read
	closed    atomic.Bool // by the caller
	whole     atomic.Bool // read to its end; what is read again ends so again, whatever the context
	discarded atomic.Bool
	read      atomic.Int64
	ending    holdfast.Ending
}

func (a *answer) code() string { return codeOf(a.resp.StatusCode) }

// begin puts the answer in the place of the response's body, if there is one.
func (a *answer) begin() {
	switch r := a.resp; {
	case r.StatusCode == http.StatusSwitchingProtocols:
		if w, ok := a.body.(io.Writer); ok {
			r.Body = upgrade((*reader)(a), w)
			return
		}
	case a.body == http.NoBody, a.of.req.Method == http.MethodHead,
		r.StatusCode == http.StatusNoContent, r.StatusCode == http.StatusNotModified,
		// Other bases than net/http's may have left the length out, and so may protocols
		// that were registered with it.
		r.ContentLength == 0 && a.of.door.leaf && len(r.Trailer) == 0 && strings.HasPrefix(a.of.req.URL.Scheme, "http"):
		a.empty = true
		a.ending.Finish(holdfast.End{Class: a.class, Code: a.code()}) // over, whatever the caller does with the body
		return
	}
	a.resp.Body = (*reader)(a)
}

// deliver returns the response for the caller. Its Request is the caller's own;
// where there is a ledger to be found, a copy that carries it. It never has the
// context of an attempt, which may have ended.
func (a *answer) deliver() *http.Response {
	own := a.of.req
	if a.resp.Request == nil || a.resp.Request == a.sent {
		a.resp.Request = own
	}
	if l := a.of.record.Ledger(); len(l.Attempts) > 0 || l.Stopped != "" {
		a.resp.Request = a.resp.Request.WithContext(holdfast.WithLedger(own.Context(), &a.of.record))
	} else if a.resp.Request != own && a.sent != own { // the base has sent a copy of its own
		a.resp.Request = a.resp.Request.WithContext(own.Context())
	}
	return a.resp
}

// OnDone registers a hook for the end of the body.
func (a *answer) OnDone(h holdfast.Hook, token uint64) { a.ending.OnDone(h, token) }

// Discard lets go of the response: it reads what is left of a short body so that
// the connection can be used again, for a short time, and closes it.
func (a *answer) Discard() {
	if a.discarded.Swap(true) || !a.empty && a.ending.Finished() {
		return
	}
	defer func() {
		if a.upload != nil {
			_ = a.upload.Close()
		}
		a.ending.Finish(a.end(nil))
	}()
	if a.worthDraining() {
		a.drain()
	} else {
		_ = a.body.Close() // nobody is left to be told
	}
}

// drain reads on and closes, from goroutines of its own: there are bodies whose
// Close waits for a Read under way, such as that of net/http while the header of
// a compressed answer is outstanding. They end when the attempt's context does.
func (a *answer) drain() {
	var thrown any
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		defer func() { thrown = recover() }()
		_, _ = io.CopyN(io.Discard, a.body, a.of.door.DrainBytes)
	}()
	if within(a.of.door.DrainTime, drained) {
		_ = a.body.Close()
		if thrown != nil {
			panic(thrown)
		}
		return
	}
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		_ = a.body.Close()
	}()
	within(a.of.door.DrainTime/10, closed)
}

// within waits for done, and reports whether it came in time.
func within(d time.Duration, done <-chan struct{}) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-done:
		return true
	case <-timer.C:
		return false
	}
}

// worthDraining reports whether reading on can free the connection.
func (a *answer) worthDraining() bool {
	d := a.of.door
	return a.ctx.Err() == nil && !a.empty && d.DrainTime > 0 && d.DrainBytes > 0 && a.resp.ContentLength <= d.DrainBytes &&
		a.resp.StatusCode != http.StatusSwitchingProtocols && !a.of.call.Stream
}

// end makes the End of the body: err is what reading it ended with, nil when it
// was closed before its end.
func (a *answer) end(err error) holdfast.End {
	end := holdfast.End{Class: a.class, Code: a.code(), Err: err, Bytes: a.read.Load()}
	over := a.ctx.Err() != nil
	switch {
	case err == nil && (!over || a.class != holdfast.Success):
		return end // closed early; and what a status has said of the server stands
	case err == nil:
		end.Err = context.Cause(a.ctx)
	case !over && cancelled(a.of.req):
		end.Class, end.Code = holdfast.Ignored, "cancelled"
		return end
	}
	end.Class, end.Code = holdfast.ClassOf(a.ctx, end.Err), holdfast.CodeOf(a.ctx, end.Err)
	if end.Code == "error" {
		end.Code = "truncated"
	}
	return end
}

// A reader is an answer as the body that the caller reads. It is a type of its
// own so that the caller does not see the Reply's methods.
type reader answer

// Read reads the body. When a time limit has cut it, the error is the
// *holdfast.TimeoutError.
func (r *reader) Read(p []byte) (int, error) {
	a := (*answer)(r)
	a.ending.Progress(true)
	n, err := a.body.Read(p)
	if n > 0 {
		a.read.Add(int64(n))
	}
	if n > 0 || err == nil {
		a.ending.Progress(false)
	}
	switch {
	case err == nil:
	case err == io.EOF && (a.whole.Load() || !a.cutOff()):
		a.whole.Store(true)
		a.ending.Finish(holdfast.End{Class: a.class, Code: a.code(), Bytes: a.read.Load()})
	case a.closed.Load(): // by the caller, while we read
		a.ending.Finish(a.end(nil))
	default:
		if limit := ranOut(a.ctx); limit != nil {
			err = limit
		} else if err == io.EOF {
			err = context.Cause(a.ctx)
		}
		a.ending.Finish(a.end(err))
	}
	return n, err
}

// cutOff reports whether an end of the body may be none. When a context ends, the
// server learns of it while its connection is being closed, and can still bring
// an answer of unknown length to a regular end: it must not pass for the whole.
func (a *answer) cutOff() bool { return a.resp.ContentLength < 0 && a.ctx.Err() != nil }

// Close closes the body.
func (r *reader) Close() error {
	a := (*answer)(r)
	if a.ending.Finished() { // read to its end, as most are
		return a.body.Close()
	}
	a.closed.Store(true)
	err := a.body.Close()
	a.ending.Finish(a.end(nil))
	return err
}

// ranOut returns the limit of ours that has ended ctx, or nil.
func ranOut(ctx context.Context) error {
	if ctx.Err() == nil { // asked first: a context may know its cause only then
		return nil
	}
	if limit, ok := context.Cause(ctx).(*holdfast.TimeoutError); ok {
		return limit
	}
	return nil
}

// upgrade is the body of a 101 response: a connection in both directions.
func upgrade(r *reader, w io.Writer) io.ReadWriteCloser {
	if half, ok := w.(halfCloser); ok {
		return struct {
			*reader
			io.Writer
			halfCloser
		}{r, w, half}
	}
	return struct {
		*reader
		io.Writer
	}{r, w}
}

type halfCloser interface{ CloseWrite() error }
