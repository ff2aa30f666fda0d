package httpclient

import (
	"context"
	"io"
	"net/http"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/attempt"
)

// An answer is the response to one attempt, as policies see it: a Reply whose end
// is the end of its body. Seen by the caller it is the body (type reader).
type answer struct {
	of      *exchange
	life    attempt.Context // the attempt's, which ends with the body
	sent    *http.Request   // what the base was given
	upload  upload          // what it reads; nil: nothing of ours
	resp    *http.Response
	body    io.ReadCloser // the base's
	named   holdfast.Code
	class   holdfast.Class
	stream  bool                  // it goes on, with pauses
	empty   bool                  // there is nothing to read
	closed  atomic.Bool           // by the caller
	whole   atomic.Bool           // read to its end; what is read again ends so again, whatever the context
	letGo   sync.Once             // by Discard, Keep or PutBy
	late    atomic.Pointer[putBy] // what PutBy has kept; nil: it has not
	touched atomic.Bool           // by the caller, or by PutBy before
	read    atomic.Int64
	ending  holdfast.Ending
}

func (a *answer) code() holdfast.Code { return a.named }

// begin puts the answer in the place of the response's body, if there is one.
func (a *answer) begin() {
	switch r := a.resp; {
	case r.StatusCode == http.StatusSwitchingProtocols:
		if w, ok := a.body.(io.Writer); ok {
			r.Body = upgrade((*reader)(a), w)
			context.AfterFunc(&a.life, a.hangUp)
			return
		}
	case r.ProtoMajor >= 2 && a.of.req.Body != nil && a.of.req.Body != http.NoBody:
		// The upload may be going on, and ends with the attempt.
	case a.body == http.NoBody, a.of.req.Method == http.MethodHead:
		a.none()
		return
	case r.ProtoMajor >= 2 && reflect.TypeOf(a.body).Size() > 0:
		// Trailers may follow, and the end. What net/http has for an answer whose end
		// has come with its headers is a type without a field.
	case r.StatusCode == http.StatusNoContent, r.StatusCode == http.StatusNotModified,
		// Other bases than net/http's may have left the length out, and so may protocols
		// that were registered with it.
		r.ContentLength == 0 && a.of.door.leaf && len(r.Trailer) == 0 && strings.HasPrefix(a.of.req.URL.Scheme, "http"):
		a.none()
		return
	}
	if p, ok := a.body.(*peeked); ok && p.came() {
		a.whole.Store(true)
	}
	a.resp.Body = (*reader)(a)
}

// none ends an answer of which there is nothing to read: it is over, whatever the caller
// does with the body.
func (a *answer) none() {
	a.empty = true
	a.finish(holdfast.End{Class: a.class, Code: a.code()})
}

// finish brings the end, and lets go of the attempt's context.
func (a *answer) finish(end holdfast.End) {
	defer a.life.End(nil) // also when a hook panics
	a.ending.Finish(end)
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
	} else if a.resp.Request != own { // the base has sent a copy of its own
		a.resp.Request = a.resp.Request.WithContext(own.Context())
	}
	return a.resp
}

// OnDone registers a hook for the end of the body.
func (a *answer) OnDone(h holdfast.Hook, token uint64) { a.ending.OnDone(h, token) }

// Discard lets go of the response: it reads what is left of a short body so that
// the connection can be used again, for a short time, and closes it.
func (a *answer) Discard() { a.letGo.Do(a.discard) }

func (a *answer) discard() {
	if !a.empty && a.ending.Finished() {
		return
	}
	end := a.end(nil) // while it is known what has ended the attempt, if anything has
	defer func() {
		if a.upload != nil {
			_ = a.upload.Close()
		}
		a.finish(end)
	}()
	if a.worthDraining() {
		_ = a.drain(io.Discard, a.of.door.DrainBytes, a.of.door.DrainTime, end)
	} else {
		a.drop(end)
	}
}

// worthDraining reports whether reading on can free the connection.
func (a *answer) worthDraining() bool {
	d := a.of.door
	return a.life.Err() == nil && !a.empty && d.DrainTime > 0 && d.DrainBytes > 0 && a.resp.ContentLength <= d.DrainBytes &&
		a.resp.StatusCode != http.StatusSwitchingProtocols && !a.stream
}

// end makes the End of the body: err is what reading it ended with, nil when it
// was closed before its end.
func (a *answer) end(err error) holdfast.End {
	end := holdfast.End{Class: a.class, Code: a.code(), Err: err, Bytes: a.read.Load()}
	over := a.life.Err() != nil
	switch {
	case err == nil && (!over || a.class != holdfast.Success):
		return end // closed early; and what a status has said of the server stands
	case err == nil:
		end.Err = context.Cause(&a.life)
	case !over && cancelled(a.of.req):
		end.Class, end.Code = holdfast.Ignored, holdfast.CodeCancelled
		return end
	}
	v := holdfast.VerdictOf(&a.life, end.Err)
	end.Class, end.Code = v.Class, v.Code
	if end.Code == holdfast.CodeError {
		end.Code = holdfast.CodeTruncated
	}
	return end
}

// A reader is an answer as the body that the caller reads. It is a type of its
// own so that the caller does not see the Reply's methods.
type reader answer

// Read reads the body. When a time limit has cut it, the error is the
// *holdfast.TimeoutError; when its client was closed, holdfast.ErrClosed.
func (r *reader) Read(p []byte) (int, error) {
	a := (*answer)(r)
	if put := a.putAside(); put != nil {
		return put.Read(p)
	}
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
		a.finish(holdfast.End{Class: a.class, Code: a.code(), Bytes: a.read.Load()})
	case a.closed.Load(): // by the caller, while we read
		a.finish(a.end(nil))
	default:
		if limit := ranOut(&a.life); limit != nil {
			err = limit
		} else if err == io.EOF || context.Cause(&a.life) == holdfast.ErrClosed {
			err = context.Cause(&a.life)
		}
		a.finish(a.end(err))
	}
	return n, err
}

// cutOff reports whether an end of the body may be none. When a context ends, the
// server learns of it while its connection is being closed, and can still bring
// an answer of unknown length to a regular end: it must not pass for the whole.
func (a *answer) cutOff() bool { return a.resp.ContentLength < 0 && a.life.Err() != nil }

// Close closes the body.
func (r *reader) Close() error {
	a := (*answer)(r)
	if put := a.putAside(); put != nil {
		return put.Close()
	}
	if a.ending.Finished() { // read to its end, as most are
		return a.body.Close()
	}
	a.closed.Store(true)
	err := a.body.Close()
	a.finish(a.end(nil))
	return err
}

// ranOut returns the limit of ours that has ended ctx, or nil.
func ranOut(ctx context.Context) error {
	if limit := holdfast.RanOut(ctx); limit != nil {
		return limit
	}
	return nil
}
