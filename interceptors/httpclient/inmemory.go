package httpclient

import (
	"bytes"
	"io"
	"reflect"
	"strings"
)

// A body in memory is handed to net/http as it is, which sends it and the headers before it
// in one piece: it knows such a body by its type (isKnownInMemoryReader), and would not know
// it in a wrapper of ours.

// unwrapped returns what io.NopCloser was put around, as http.NewRequest does, or rc.
func unwrapped(rc io.ReadCloser) io.Reader {
	if t := reflect.TypeOf(rc); t == noClose || t == noCloseWriterTo {
		if inner, ok := reflect.ValueOf(rc).Field(0).Interface().(io.Reader); ok {
			return inner
		}
	}
	return rc
}

// What io.NopCloser returns.
var (
	noClose         = reflect.TypeOf(io.NopCloser(struct{ io.Reader }{}))
	noCloseWriterTo = reflect.TypeOf(io.NopCloser(new(bytes.Buffer)))
)

// holds reports whether r is in memory, so that reading it cannot fail, and has as much as
// was announced.
func holds(r io.Reader, want int64) bool {
	m, ok := r.(interface{ Len() int })
	if !ok {
		return false
	}
	switch r.(type) {
	case *bytes.Reader, *bytes.Buffer, *strings.Reader:
		return want <= 0 || int64(m.Len()) == want
	}
	return false
}

// copiesOf returns what makes copies of a body in memory, from where it stands now, as the
// GetBody does that http.NewRequest makes. They share its bytes.
func copiesOf(r io.Reader) func() (io.ReadCloser, error) {
	var one func() io.Reader
	switch r := r.(type) {
	case *bytes.Reader:
		at := *r
		one = func() io.Reader { c := at; return &c }
	case *strings.Reader:
		at := *r
		one = func() io.Reader { c := at; return &c }
	case *bytes.Buffer:
		held := r.Bytes()
		one = func() io.Reader { return bytes.NewReader(held) }
	}
	return func() (io.ReadCloser, error) { return io.NopCloser(one()), nil }
}
