package httpclient

import (
	"context"
	"io"

	"github.com/holdfast-go/holdfast"
)

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

// hangUp closes an upgraded connection that a Gate has cut off. net/http ends none with its
// request's context, nor does a caller who gives up: it is his.
func (a *answer) hangUp() {
	if context.Cause(&a.life) == holdfast.ErrClosed {
		_ = a.body.Close()
		a.finish(a.end(nil))
	}
}
