package main

import (
	"bufio"
	"context"
	"net"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/holdfast-go/holdfast"
)

// maxIdle bounds the connections that are kept, over all addresses: endpoints come and go.
const maxIdle = 16

// A conn is a connection. One request at a time has it.
type conn struct {
	net.Conn
	r    *bufio.Reader
	addr string
	id   uint32 // of the request that has it
}

// next reads a frame of the answer.
func (c *conn) next() (frame, error) {
	f, err := readFrame(c.r)
	if err == nil && f.id != c.id {
		err = errProtocol
	}
	return f, err
}

// conns keeps connections that are free.
type conns struct {
	dial func(ctx context.Context, network, addr string) (net.Conn, error)

	mu     sync.Mutex
	idle   []*conn // the one that was free first is first
	closed bool
}

// take returns a connection to addr that was kept, or a new one.
func (p *conns) take(ctx context.Context, addr string) (*conn, error) {
	if c := p.kept(addr); c != nil {
		return c, nil
	}
	nc, err := p.dial(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	return &conn{Conn: nc, r: bufio.NewReader(nc), addr: addr}, nil
}

func (p *conns) kept(addr string) *conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, c := range slices.Backward(p.idle) { // the freshest is the likeliest to live
		if c.addr == addr {
			p.idle = slices.Delete(p.idle, i, i+1)
			return c
		}
	}
	return nil
}

// keep takes back a connection on which nothing is under way.
func (p *conns) keep(c *conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		_ = c.Close()
		return
	}
	if len(p.idle) == maxIdle {
		_ = p.idle[0].Close()
		p.idle = slices.Delete(p.idle, 0, 1)
	}
	p.idle = append(p.idle, c)
}

// close closes what is free, now and from now on.
func (p *conns) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for _, c := range p.idle {
		_ = c.Close()
	}
	p.idle = nil
}

// A lease is what an attempt holds: a connection, which the end of its context closes. It is
// the first hook of the attempt's reply, so that it is given back however the reply ends.
type lease struct {
	*conn
	of    *conns
	stop  func() bool
	whole atomic.Bool // the answer is read to its end
}

// lease takes a connection for an attempt. A read that waits knows nothing of contexts, and is
// ended by closing what it reads from.
func (p *conns) lease(ctx context.Context, addr string) (*lease, error) {
	c, err := p.take(ctx, addr)
	if err != nil {
		return nil, err
	}
	c.id++
	return &lease{conn: c, of: p, stop: context.AfterFunc(ctx, func() { _ = c.Close() })}, nil
}

// Done gives the connection back. One on which an answer is still coming is closed: it could
// only be used again by reading what nobody wants.
func (l *lease) Done(_ uint64, end holdfast.End) {
	if alive := l.stop(); alive && l.whole.Load() && end.Err == nil {
		l.of.keep(l.conn)
	} else {
		_ = l.Close()
	}
}
