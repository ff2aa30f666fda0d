package httpclient

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
)

// maxNames bounds the names that are spoken to over TLS through one door at once: those that
// have a connection, or a request under way. A name that has neither, such as one of a
// redirect whose certificate was not the server's, takes up no place.
const maxNames = 256

// plain is the name of what is not TLS.
const plain = ""

// errForgotten ends a connection that was dialled for a name which nobody asks for any more.
var errForgotten = errors.New("httpclient: no request waits for this connection any more")

// A named is the transport for what is spoken to by one name. It is kept while it has a
// connection, or a request under way.
type named struct {
	*http.Transport
	name string
	of   *endpoints

	spare spare
}

// named makes the transport for a name.
func (e *endpoints) named(name string) *named {
	t := copyOf(e.base)
	n := &named{Transport: t, name: name, of: e}
	dial, old := t.DialContext, t.Dial //nolint:staticcheck // net/http looks at it as well
	switch {
	case dial != nil:
	case old != nil:
		dial = func(_ context.Context, network, addr string) (net.Conn, error) { return old(network, addr) }
	default:
		dial = new(net.Dialer).DialContext
	}
	t.DialContext = e.tracked(n, dial)
	if t.HTTP2 == nil {
		t.HTTP2 = new(http.HTTP2Config)
	}
	if t.HTTP2.SendPingTimeout == 0 && t.HTTP2.PingTimeout == 0 { // nobody has thought of it
		t.HTTP2.SendPingTimeout, t.HTTP2.PingTimeout = pingAfter, pingTimeout
	}
	if name != plain && t.DialTLSContext == nil {
		if t.TLSClientConfig == nil {
			t.TLSClientConfig = new(tls.Config)
		}
		if t.TLSClientConfig.ServerName == "" {
			t.TLSClientConfig.ServerName = name
		}
	}
	return n
}

// speaksTo returns the transport for the name that u has, however it is written. Connections of
// other names that are idle make room for it; nil: there are too many that are not.
func (e *endpoints) speaksTo(u *url.URL) *named {
	name := plain
	if u.Scheme == "https" {
		name = strings.ToLower(strings.TrimSuffix(u.Hostname(), "."))
	}
	n := e.names.Get(name)
	if n == nil {
		e.closeIdle()
		n = e.names.Get(name)
	}
	return n
}

// RoundTrip sends a request by the transport that the name has now, which is kept meanwhile.
func (n *named) RoundTrip(req *http.Request) (*http.Response, error) {
	return n.send(req, func(now *named) http.RoundTripper { return now.Transport })
}

// send sends a request by a transport of what the name has now, which is kept meanwhile.
func (n *named) send(req *http.Request, by func(*named) http.RoundTripper) (*http.Response, error) {
	entry, _ := n.of.names.Hold(n.name)
	if entry == nil {
		return by(n).RoundTrip(req) // all places were taken since; its connection will be refused
	}
	defer entry.Release()
	return by(entry.Value).RoundTrip(req)
}

// A once sends by connections that are used for one request each.
type once struct{ *named }

// RoundTrip sends a request.
func (o once) RoundTrip(req *http.Request) (*http.Response, error) {
	return o.send(req, func(now *named) http.RoundTripper { return now.spare.of(now.Transport) })
}

func (n *named) closeIdle() {
	n.CloseIdleConnections()
	n.spare.closeIdle()
}

// A spare is a copy of a transport that uses each connection once, for repeats that must not
// use the connection of the attempt before.
type spare struct {
	mu sync.Mutex
	t  *http.Transport // nil: it was not asked for
}

// of returns the copy of t, which is always the same.
func (s *spare) of(t *http.Transport) *http.Transport {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.t == nil {
		s.t = copyOf(t)
		s.t.DisableKeepAlives = true
	}
	return s.t
}

func (s *spare) closeIdle() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.t != nil {
		s.t.CloseIdleConnections()
	}
}
