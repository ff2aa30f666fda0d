package main

import (
	"context"
	"io"
	"sync/atomic"

	"github.com/holdfast-go/holdfast"
)

// A reply is an answer on its way: to policies a Reply, of which they learn the end, and to
// the caller an io.ReadCloser. Ending has the hooks, and is OnDone.
type reply struct {
	holdfast.Ending
	of    *exchange
	ctx   context.Context // the attempt's
	lease *lease
	rest  []byte // of a chunk
	bytes atomic.Int64
	err   error // what every further Read returns
}

var _ holdfast.Reply = (*reply)(nil)

// replied makes the Result of an answer that has begun well.
func (x *exchange) replied(ctx context.Context, l *lease) holdfast.Result {
	r := &reply{of: x, ctx: ctx, lease: l}
	r.OnDone(l, 0) // the first hook: it runs also when another one panics
	res := well
	res.Reply = r
	return res
}

// Discard ends an answer that nobody will read: it lost a hedge, or is to be asked for again.
func (r *reply) Discard() { _ = r.Close() }

// Close ends the answer, early or not. Closing early says nothing against the server, and
// nothing for it where the context has ended before. The end comes first, and its hook closes
// the connection: a Read that waits finds the end taken.
func (r *reply) Close() error {
	if r.ctx.Err() != nil {
		r.finish(judge(r.ctx, reading, context.Cause(r.ctx)))
	} else {
		r.finish(well)
	}
	return nil
}

// well is what an answer comes to that has begun with OK.
var well = holdfast.Result{Class: holdfast.Success, Code: holdfast.CodeOK}

// finish brings the end; only the first of several counts.
func (r *reply) finish(res holdfast.Result) {
	r.Finish(holdfast.End{Class: res.Class, Code: res.Code, Err: res.Err, Bytes: r.bytes.Load()})
}

// Read reads what has arrived of the answer, or waits for it.
func (r *reply) Read(p []byte) (int, error) {
	if len(r.rest) == 0 && r.err == nil {
		r.rest, r.err = r.next()
	}
	if len(r.rest) == 0 {
		return 0, r.err // the connection is somebody else's by now, and is not touched
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	r.bytes.Add(int64(n))
	return n, nil
}

// next waits for the next bytes, or the end. Limits of the time in which nothing arrives hear
// of it by Progress.
func (r *reply) next() ([]byte, error) {
	r.Progress(true)
	f, err := r.lease.next()
	if err == nil {
		r.Progress(false)
	}
	switch {
	case err == nil && f.kind == goesOn && len(f.payload) > 0:
		return f.payload, nil
	case err == nil && f.kind == ends:
		r.lease.whole.Store(true)
		r.finish(well)
		return nil, io.EOF
	case err == nil:
		err = errProtocol
	case err == io.EOF: // only the frame of the end is one
		err = io.ErrUnexpectedEOF
	}
	res := judge(r.ctx, reading, err)
	if res.Code == holdfast.CodeEOF {
		res.Code = holdfast.CodeTruncated
	}
	r.finish(res)
	return nil, res.Err
}
