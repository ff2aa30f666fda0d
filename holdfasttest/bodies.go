package holdfasttest

import (
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
)

// Bodies is a RoundTripper that watches the response bodies that pass through it, to
// find those that nobody closed, and can cut them off. It changes nothing else.
type Bodies struct {
	Base http.RoundTripper // nil: http.DefaultTransport
	// Cut says of which responses the body breaks off, in io.ErrUnexpectedEOF after a
	// number of bytes (zero and negative: none arrives), as when the server dies while
	// it answers. A shorter body is left as it is. nil: of none.
	Cut func(resp *http.Response) (after int64, cut bool)

	opened, closed, twice atomic.Int64

	mu   sync.Mutex
	open map[*countedBody]string
}

var _ http.RoundTripper = (*Bodies)(nil)

// RoundTrip calls Base.
func (b *Bodies) RoundTrip(req *http.Request) (*http.Response, error) {
	base := b.Base
	if base == nil {
		base = http.DefaultTransport
	}
	resp, err := base.RoundTrip(req)
	if resp == nil || resp.Body == nil || resp.Body == http.NoBody {
		return resp, err
	}
	b.cut(resp)
	body := &countedBody{ReadCloser: resp.Body, of: b}
	resp.Body = body
	if w, ok := body.ReadCloser.(io.Writer); ok { // a connection, after 101
		resp.Body = struct {
			*countedBody
			io.Writer
		}{body, w}
	}
	b.opened.Add(1)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.open == nil {
		b.open = map[*countedBody]string{}
	}
	b.open[body] = req.Method + " " + req.URL.Redacted() + ": " + resp.Status
	return resp, err
}

// CloseIdleConnections calls that of Base.
func (b *Bodies) CloseIdleConnections() { closeIdle(b.Base) }

// Verify reports each body that is not closed.
func (b *Bodies) Verify(t testing.TB) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, what := range b.open {
		t.Errorf("a response body was not closed: %s", what)
	}
}

type countedBody struct {
	io.ReadCloser
	of   *Bodies
	done atomic.Bool
}

func (c *countedBody) Close() error {
	if c.done.Swap(true) {
		c.of.twice.Add(1)
	} else {
		c.of.closed.Add(1)
		c.of.mu.Lock()
		delete(c.of.open, c)
		c.of.mu.Unlock()
	}
	return c.ReadCloser.Close()
}
