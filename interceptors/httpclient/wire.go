package httpclient

import (
	"io"
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/holdfast-go/holdfast/internal/keyed"
)

// A wire is what is known of the base's connections, where it is an *http.Transport.
type wire struct {
	base  *http.Transport
	once  sync.Once
	http2 bool // over TLS it may speak HTTP/2
	clear bool // without TLS it speaks HTTP/2 and nothing else
	slots int  // how many connections to a host there may be; 0: any number

	tells atomic.Bool // its dials call the hooks of httptrace

	peers keyed.Table[*peer] // by address

	spare spare
}

// A peer is what is known of one address.
type peer struct {
	spoke atomic.Int32 // over TLS: the version that the latest answer came by, 1 or 2; 0: none came

	// Where the number of connections is bounded:
	inUse atomic.Int32 // attempts that have one
	heard atomic.Int64 // when the latest answer came, by clock.Now; 0: none came
}

func newWire(base *http.Transport) *wire {
	w := &wire{base: base}
	w.peers.New = func(string) *peer { return new(peer) }
	w.peers.Idle = func(p *peer) bool { return p.inUse.Load() == 0 }
	return w
}

// peer returns what is known of an address. Of one for which there is no room nothing is: what
// others are like says nothing of it.
func (w *wire) peer(addr string) *peer {
	if p := w.peers.Get(addr); p != nil {
		return p
	}
	return new(peer)
}

// look looks at the base, when the first request is about to go through it. Not before:
// it has net/http fill in what the user has left out, and may still set.
func (w *wire) look() *wire {
	w.once.Do(func() {
		t := w.base.Clone()
		w.slots = max(t.MaxConnsPerHost, 0)
		w.tells.Store(t.DialContext == nil && t.Dial == nil && t.DialTLSContext == nil && t.DialTLS == nil) //nolint:staticcheck // net/http looks at them as well
		_, w.http2 = w.base.TLSNextProto["h2"]                                                              // of the original: a copy has none of net/http's own
		if p := t.Protocols; p != nil {
			w.http2 = w.http2 || p.HTTP2()
			w.clear = p.UnencryptedHTTP2() && !p.HTTP1()
		}
	})
	return w
}

// copyOf returns a copy of a transport that speaks what the original does. Clone forgets
// that net/http has switched HTTP/2 on by itself, and keeps the configuration of TLS that
// it has made for that, which offers a protocol that the copy would not understand.
func copyOf(t *http.Transport) *http.Transport {
	c := t.Clone()
	if _, ok := t.TLSNextProto["h2"]; ok && c.TLSNextProto == nil && c.Protocols == nil {
		c.ForceAttemptHTTP2 = true
	}
	return c
}

// saw notes which version an answer came by.
func (w *wire) saw(resp *http.Response, addr string) {
	if resp.TLS == nil || !w.http2 {
		return
	}
	p, version := w.peer(addr), int32(1)
	if resp.ProtoMajor >= 2 {
		version = 2
	}
	if p.spoke.Load() != version {
		p.spoke.Store(version)
	}
}

// speaks returns the version of HTTP by which a request goes out: 1 or 2 where it is
// certain, 0 where the server will choose.
func (w *wire) speaks(scheme string) int32 {
	switch {
	case w == nil:
		return 0
	case scheme == "http" && w.clear:
		return 2
	case scheme == "http", scheme == "https" && !w.http2:
		return 1
	}
	return 0
}

// A care is what is done so that net/http does not send a request again that may have
// been acted upon.
type care uint8

const (
	none  care = iota
	watch      // its connection is looked at, to know what its errors mean
	guard      // it is stopped when it gets a connection to be sent again on
	strip      // net/http cannot have the body again, and does not know that there is none
)

// care tells what keeps net/http from sending a request twice that is not repeatable. It
// repeats some by itself, where it can have the body again and where there is none: over
// HTTP/2 what was reset with PROTOCOL_ERROR, although the server may have acted
// (golang.org/issue/42777), and over HTTP/1 what it holds to be idempotent. To be stripped
// changes nothing on the wire, but for a body that is none: over HTTP/1 that would be
// announced as one of unknown length. As long as it is not known what the server speaks,
// requests are therefore guarded.
func (w *wire) care(req *http.Request, addr string) care {
	bodiless := req.Body == nil || req.Body == http.NoBody
	speaks := w.speaks(req.URL.Scheme)
	if speaks == 0 {
		speaks = w.peer(addr).spoke.Load()
		switch {
		case speaks == 2:
		case bodiless || req.GetBody != nil:
			return guard
		default:
			return watch
		}
	}
	switch {
	case !bodiless && req.GetBody == nil:
		return none
	case speaks == 2:
		return strip
	case !replayable(req):
		return none
	case bodiless && !lacksBody(req.Method):
		return guard
	}
	return strip
}

// replayable is net/http's own notion, for requests that it may send again over HTTP/1.
func replayable(req *http.Request) bool {
	switch req.Method {
	case "", http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace:
		return true
	}
	return req.Header["Idempotency-Key"] != nil || req.Header["X-Idempotency-Key"] != nil
}

// lacksBody is net/http's own notion, for methods whose body it looks into over HTTP/1
// before it announces it, so that one without a byte is none.
func lacksBody(method string) bool {
	switch method {
	case "", http.MethodGet, http.MethodHead, http.MethodDelete, http.MethodOptions, "PROPFIND", "SEARCH":
		return true
	}
	return false
}

// A nothing is a body without a byte, which net/http does not know to be one.
type nothing struct{}

// Read ends at once.
func (*nothing) Read([]byte) (int, error) { return 0, io.EOF }

// Close does nothing.
func (*nothing) Close() error { return nil }
