package httpclient

import (
	"bytes"
	"io"
	"net/http"
	"sync"

	"github.com/holdfast-go/holdfast"
)

// peekBytes bounds what is looked at of a body before the caller gets it.
const peekBytes = 64 << 10

// Peek returns the first n bytes of the body of resp, or all of it where it is shorter,
// for a Classify that goes by what the body says: a status of 200 with an error in it.
// The caller of the request still gets the body whole. n is at most 64 KiB. Peek waits
// until the bytes are there, or the body ends or breaks off, or a time limit ends the
// attempt. Outside of Classify, and of a stream, it returns nothing.
func Peek(resp *http.Response, n int) []byte {
	if resp == nil {
		return nil
	}
	p, ok := resp.Body.(*peeked)
	if !ok {
		return nil
	}
	return p.peek(min(n, peekBytes))
}

// A peeked is a body whose beginning may have been looked at. It may be read and closed at
// once, as net/http's own may.
type peeked struct {
	io.ReadCloser

	mu   sync.Mutex // not held while ReadCloser is read by the caller
	head bytes.Buffer
	err  error // what reading ended with; nil: it goes on
	shut bool
}

func (p *peeked) peek(n int) []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	if more := n - p.head.Len(); more > 0 && p.err == nil {
		if _, err := io.CopyN(&p.head, p.ReadCloser, int64(more)); err != nil {
			p.err = err
		}
	}
	return bytes.Clone(p.head.Bytes()[:max(min(n, p.head.Len()), 0)])
}

// Read reads what was looked at, and then what follows.
func (p *peeked) Read(b []byte) (int, error) {
	p.mu.Lock()
	switch {
	case p.shut:
	case p.head.Len() > 0:
		defer p.mu.Unlock()
		return p.head.Read(b)
	case p.err != nil:
		defer p.mu.Unlock()
		return 0, p.err
	}
	p.mu.Unlock()
	return p.ReadCloser.Read(b)
}

// Close closes the body.
func (p *peeked) Close() error {
	p.mu.Lock()
	p.shut = true
	p.mu.Unlock()
	return p.ReadCloser.Close()
}

// fill looks at n bytes. It returns how many there are, and what reading them ended with.
func (p *peeked) fill(n int64) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, p.err = io.CopyN(&p.head, p.ReadCloser, n)
	return p.head.Len(), p.err
}

// came reports whether all of the body was looked at.
func (p *peeked) came() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err == io.EOF
}

// classify asks the user's function, which may look into the body; not into that of a
// stream, which may not come for long.
func classify(f func(*http.Response, error) (holdfast.Verdict, bool), resp *http.Response, stream bool) (holdfast.Verdict, bool) {
	if stream || resp.Body == http.NoBody || resp.StatusCode == http.StatusSwitchingProtocols { // there is nothing to look at
		return f(resp, nil)
	}
	p, whole := resp.Body.(*peeked)
	if !whole {
		p = &peeked{ReadCloser: resp.Body}
		resp.Body = p
	}
	v, ok := f(resp, nil)
	if resp.Body == p && p.head.Len() == 0 && p.err == nil {
		resp.Body = p.ReadCloser // nobody has looked
	}
	return v, ok
}
