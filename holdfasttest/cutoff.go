package holdfasttest

import (
	"io"
	"net/http"
	"sync"
)

// cut has the body break off, where Cut says so.
func (b *Bodies) cut(resp *http.Response) {
	if b.Cut == nil || resp.StatusCode == http.StatusSwitchingProtocols { // a connection has no end to break off before
		return
	}
	if after, cut := b.Cut(resp); cut {
		resp.Body = &cutBody{ReadCloser: resp.Body, left: max(after, 0)}
	}
}

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
