package holdfasttest

import (
	"io"
	"net/http"
	"sync"
	"sync/atomic"
)

// Bodies is a RoundTripper that counts the response bodies that pass through it,
// to find those that nobody closed. It changes nothing else.
type Bodies struct {
	Base http.RoundTripper // nil: http.DefaultTransport

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

// Opened returns how many bodies there were, of answers that have one.
func (b *Bodies) Opened() int { return int(b.opened.Load()) }

// Closed returns how many of them were closed.
func (b *Bodies) Closed() int { return int(b.closed.Load()) }

// ClosedAgain returns how often a body was closed that had been closed before.
// A caller may do so; what stands between a caller and a transport should not.
func (b *Bodies) ClosedAgain() int { return int(b.twice.Load()) }

// Verify reports each body that is not closed.
func (b *Bodies) Verify(t TB) {
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
