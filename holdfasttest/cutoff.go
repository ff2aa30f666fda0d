package holdfasttest

import (
	"io"
	"net/http"
	"sync"
)

// CutBodies is a RoundTripper whose responses break off: each body ends in
// io.ErrUnexpectedEOF after a number of bytes, as when the server dies while it
// answers. A shorter body is left as it is.
type CutBodies struct {
	Base  http.RoundTripper // nil: http.DefaultTransport
	After int64             // bytes that arrive; zero and negative: none
	// Match chooses the responses. nil: all of them.
	Match func(resp *http.Response) bool
}

var _ http.RoundTripper = (*CutBodies)(nil)

// RoundTrip calls Base.
func (c *CutBodies) RoundTrip(req *http.Request) (*http.Response, error) {
	base := c.Base
	if base == nil {
		base = http.DefaultTransport
	}
	resp, err := base.RoundTrip(req)
	if resp == nil || resp.Body == nil || resp.Body == http.NoBody || c.Match != nil && !c.Match(resp) {
		return resp, err
	}
	if resp.StatusCode != http.StatusSwitchingProtocols { // a connection has no end to break off before
		resp.Body = &cutBody{ReadCloser: resp.Body, left: max(c.After, 0)}
	}
	return resp, err
}

// CloseIdleConnections calls that of Base.
func (c *CutBodies) CloseIdleConnections() { closeIdle(c.Base) }

func closeIdle(base http.RoundTripper) {
	if c, ok := base.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

type cutBody struct {
	io.ReadCloser
	mu   sync.Mutex
	left int64
}

func (c *cutBody) Read(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if int64(len(p)) > c.left {
		p = p[:c.left]
	}
	if len(p) == 0 {
		n, err := c.ReadCloser.Read(make([]byte, 1)) // a body that ends here is whole
		if n > 0 || err == nil {
			err = io.ErrUnexpectedEOF
		}
		return 0, err
	}
	n, err := c.ReadCloser.Read(p)
	c.left -= int64(n)
	return n, err
}
