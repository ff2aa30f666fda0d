package httpclient

import (
	"context"
	"crypto/tls"
	"errors"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptrace"
	"slices"
	"sync"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/keyed"
)

// A drainer tells of endpoints that are gone and have no call any more; a
// loadbalance.Set is one.
type drainer interface {
	OnDrained(f func(addr string))
}

// endpoints sends to addresses that a balancer has chosen, by transports made of the
// base: over TLS the server is still asked for, and checked, by its logical name, so
// each name has a transport of its own, which alone knows that name. They keep the
// connections by address and can close those of an endpoint that is gone.
type endpoints struct {
	base     *http.Transport
	lifetime time.Duration // of a connection; 0 and negative: no bound

	names keyed.Table[*named]

	mu    sync.Mutex
	conns map[string]map[net.Conn]struct{} // by address
}

// An HTTP/2 connection that has been silent for pingAfter is asked whether it is
// alive, and given up when nothing comes within pingTimeout: requests that run out of
// time would else go on to be sent into one whose other side is gone without a word.
// (One of HTTP/1 ends with the request that ran out of time.)
const (
	pingAfter   = 10 * time.Second
	pingTimeout = 5 * time.Second
)

func newEndpoints(base *http.Transport, policies []holdfast.Policy, lifetime time.Duration) *endpoints {
	e := &endpoints{base: base, lifetime: lifetime, conns: map[string]map[net.Conn]struct{}{}}
	e.names.Max, e.names.New = maxNames, e.named
	e.names.Gone = func(n *named) { go n.closeIdle() } // what a dialer for TLS of the base's own has made is not tracked
	for _, p := range policies {
		if d, ok := p.(drainer); ok {
			d.OnDrained(e.close)
		}
	}
	return e
}

type dialer func(ctx context.Context, network, addr string) (net.Conn, error)

// tracked has the connections that dial makes for n known by their addresses.
func (e *endpoints) tracked(n *named, dial dialer) dialer {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := dial(ctx, network, addr)
		if err != nil || conn == nil { // net/http has an error for a dialer that returns neither
			return nil, err
		}
		entry, _ := e.names.Hold(n.name)
		if entry == nil || entry.Value != n { // nobody waits for it any more, nor would find it
			if entry != nil {
				entry.Release()
			}
			_ = conn.Close()
			return nil, errForgotten
		}
		c := &tracked{Conn: conn, of: e, addr: addr, holds: entry}
		if e.lifetime > 0 {
			c.until = time.Now().Add(e.lifetime*9/10 + rand.N(e.lifetime/5+1))
		}
		e.mu.Lock()
		defer e.mu.Unlock()
		if e.conns[addr] == nil {
			e.conns[addr] = map[net.Conn]struct{}{}
		}
		e.conns[addr][c] = struct{}{}
		return c, nil
	}
}

// A tracked connection is known by its address until it is closed.
type tracked struct {
	net.Conn
	of    *endpoints
	addr  string
	until time.Time // it is used no longer; zero: no bound

	holds *keyed.Entry[*named] // until it is closed
	once  sync.Once
}

// CloseWrite is for an upgrade, which may close its half.
func (c *tracked) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}

// aged returns a copy of req that asks to close the connection it gets, where that has
// had its time. net/http writes the header once it has a connection; its own copies of
// the request share the map, which is why it is done this way and not by req.Close.
func aged(req *http.Request) *http.Request {
	header := req.Header.Clone()
	out := req.WithContext(httptrace.WithClientTrace(req.Context(), &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) {
		conn := info.Conn
		if c, ok := conn.(*tls.Conn); ok {
			conn = c.NetConn()
		}
		if c, ok := conn.(*tracked); ok && !c.until.IsZero() && time.Now().After(c.until) {
			header.Set("Connection", "close")
		}
	}}))
	out.Header = header
	return out
}

// Close closes it.
func (c *tracked) Close() error {
	c.of.mu.Lock()
	delete(c.of.conns[c.addr], c)
	if len(c.of.conns[c.addr]) == 0 {
		delete(c.of.conns, c.addr)
	}
	c.of.mu.Unlock()
	c.once.Do(c.holds.Release)
	return c.Conn.Close()
}

// close closes the connections to an address, none of which is in use.
func (e *endpoints) close(addr string) {
	e.mu.Lock()
	var list []net.Conn
	for c := range e.conns[addr] {
		list = append(list, c)
	}
	e.mu.Unlock()
	for _, c := range list {
		_ = c.Close() // nobody is there to be told
	}
}

// closeIdle closes the idle connections of all of them.
func (e *endpoints) closeIdle() {
	e.names.Each(func(_ string, n *named) bool { n.closeIdle(); return true })
}

// end closes all connections, once no call needs them: net/http's HTTP/2 takes one for busy for
// a moment after its last call has been ended. It keeps none that comes later, of a dial that is
// late.
func (e *endpoints) end() {
	e.closeIdle()
	e.mu.Lock()
	addrs := slices.Collect(maps.Keys(e.conns))
	e.mu.Unlock()
	for _, addr := range addrs {
		e.close(addr)
	}
}
