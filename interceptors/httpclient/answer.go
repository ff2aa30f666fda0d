package httpclient

import (
	"context"
	"io"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/holdfast-go/holdfast"
)

// An answer is the response to one attempt, as policies see it: a Reply whose end
// is the end of its body. Seen by the caller it is the body (type reader).
type answer struct {
	of     *exchange
	ctx    context.Context // the attempt's
	sent   *http.Request   // what the base was given
	resp   *http.Response
	body   io.ReadCloser // the base's
	class  holdfast.Class
	code   string
	ending holdfast.Ending
	read   atomic.Int64
	closed atomic.Bool
}

// begin puts the answer in the place of the response's body, if there is one.
func (a *answer) begin() {
	switch {
	case a.resp.StatusCode == http.StatusSwitchingProtocols:
		if w, ok := a.body.(io.Writer); ok {
			a.resp.Body = upgrade((*reader)(a), w)
			return
		}
		a.resp.Body = (*reader)(a)
	case a.body == http.NoBody, a.resp.ContentLength == 0, a.of.req.Method == http.MethodHead,
		a.resp.StatusCode == http.StatusNoContent, a.resp.StatusCode == http.StatusNotModified:
		a.ending.Finish(a.end(nil)) // over, whatever the caller does with the body
	default:
		a.resp.Body = (*reader)(a)
	}
}

// deliver returns the response for the caller. Its Request is the caller's own;
// where there is a ledger to be found, a copy that carries it.
func (a *answer) deliver(res holdfast.Result) *http.Response {
	if a.resp.Request == a.sent {
		a.resp.Request = a.of.req
	}
	if (a.sent != a.of.req || res.Class != holdfast.Success) && a.resp.Request == a.of.req {
		if l := a.of.record.Ledger(); len(l.Attempts) > 0 || l.Stopped != "" {
			a.resp.Request = a.of.req.WithContext(holdfast.WithLedger(a.of.req.Context(), &a.of.record))
		}
	}
	return a.resp
}

// OnDone registers a hook for the end of the body.
func (a *answer) OnDone(h holdfast.Hook, token uint64) { a.ending.OnDone(h, token) }

// Discard lets go of the response: it reads what is left of a short body so that
// the connection can be used again, for a short time, and closes it.
func (a *answer) Discard() {
	if a.closed.Load() {
		return
	}
	if d := a.of.door; a.ctx.Err() == nil && d.DrainBytes > 0 && d.DrainTime > 0 && !a.ending.Finished() {
		stalled := time.AfterFunc(d.DrainTime, a.close)
		_, _ = io.CopyN(io.Discard, a.body, d.DrainBytes)
		stalled.Stop()
	}
	a.close()
	a.ending.Finish(a.end(nil))
}

func (a *answer) close() {
	if !a.closed.Swap(true) {
		_ = a.body.Close() // nobody is left to be told
	}
}

// end makes the End of the body: err is what reading it ended with, nil at its
// end or when it was closed before.
func (a *answer) end(err error) holdfast.End {
	end := holdfast.End{Class: a.class, Code: a.code, Err: err, Bytes: a.read.Load()}
	switch {
	case a.ctx.Err() != nil:
		if end.Err == nil {
			end.Err = context.Cause(a.ctx)
		}
		end.Class, end.Code = holdfast.ClassOf(a.ctx, end.Err), holdfast.CodeOf(a.ctx, end.Err)
	case err != nil:
		end.Class, end.Code = holdfast.ClassOf(a.ctx, err), "truncated"
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
	if n > 0 || err == nil {
		a.ending.Progress(false)
	}
	a.read.Add(int64(n))
	switch {
	case err == nil:
	case err == io.EOF:
		a.ending.Finish(holdfast.End{Class: a.class, Code: a.code, Bytes: a.read.Load()})
	default:
		if limit, ok := context.Cause(a.ctx).(*holdfast.TimeoutError); ok {
			err = limit
		}
		a.ending.Finish(a.end(err))
	}
	return n, err
}

// Close closes the body.
func (r *reader) Close() error {
	a := (*answer)(r)
	a.closed.Store(true)
	err := a.body.Close()
	a.ending.Finish(a.end(nil))
	return err
}

// upgrade is the body of a 101 response: a connection in both directions.
func upgrade(r *reader, w io.Writer) io.ReadWriteCloser {
	if half, ok := w.(interface{ CloseWrite() error }); ok {
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
