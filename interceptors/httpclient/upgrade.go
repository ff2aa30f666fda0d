package httpclient

import "io"

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
