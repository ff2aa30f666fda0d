package clients

import (
	"context"
	"net"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast/interceptors/httpclient"
	"github.com/holdfast-go/holdfast/preset"
)

// A pipe is a listener in memory, so that connections are of the bubble.
type pipe struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func (p *pipe) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipe) Close() error { p.once.Do(func() { close(p.done) }); return nil }

func (p *pipe) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 80} }

func (p *pipe) dial(context.Context, string, string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case p.conns <- theirs:
		return ours, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

// with runs a test in a bubble, beside a server. The transport is what a user has who wraps a
// base with the standard policies, and nothing else.
func with(t *testing.T, h http.Handler, test func(t *testing.T, through http.RoundTripper)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		p := &pipe{conns: make(chan net.Conn), done: make(chan struct{})}
		protocols := new(http.Protocols)
		protocols.SetHTTP1(true)
		s := &http.Server{Handler: h, Protocols: protocols}
		go func() { _ = s.Serve(p) }()
		base := &http.Transport{DialContext: p.dial}
		defer func() {
			base.CloseIdleConnections()
			_ = s.Close()
			synctest.Wait()
		}()
		test(t, httpclient.Wrap(base, preset.Standard().Policies()...))
	})
}

// flush sends what there is.
func flush(w http.ResponseWriter) { _ = http.NewResponseController(w).Flush() }

// pause waits, as long as the client is there.
func pause(r *http.Request, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-r.Context().Done():
		return false
	}
}
