package holdfasttest

import (
	"context"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// connBuffer is what one direction of a connection holds before Write waits.
const connBuffer = 64 << 10

// A link is the way to one address: its connections share one lock and one
// condition variable, on which everybody who waits does. That wakes more than it
// must, and there is nothing to get wrong.
type link struct {
	mu      sync.Mutex
	changed *sync.Cond
	now     Conditions
	conns   map[*conn]bool // both ends
}

func (ln *link) wake() {
	ln.mu.Lock() // or the waker may come between the look and the wait
	defer ln.mu.Unlock()
	ln.changed.Broadcast()
}

func (ln *link) set(c Conditions) {
	ln.mu.Lock()
	defer ln.mu.Unlock()
	ln.now = c
	ln.changed.Broadcast()
}

func (ln *link) cut() {
	ln.mu.Lock()
	defer ln.mu.Unlock()
	for c := range ln.conns {
		c.reset()
	}
}

// passable waits while the link is stalled, and returns why it cannot be passed.
func (ln *link) passable(ctx context.Context) error {
	ln.mu.Lock()
	defer ln.mu.Unlock()
	for ln.now.Stall && ctx.Err() == nil {
		ln.changed.Wait()
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if ln.now.Refuse {
		return os.NewSyscallError("connect", syscall.ECONNREFUSED)
	}
	return nil
}

func (ln *link) connect(from, to memoryAddr) (client, server *conn) {
	ln.mu.Lock()
	defer ln.mu.Unlock()
	client = &conn{of: ln, local: from, remote: to}
	server = &conn{of: ln, local: to, remote: from, cutAfter: max(ln.now.CutAfter, 0)}
	client.peer, server.peer = server, client
	ln.conns[client], ln.conns[server] = true, true
	return client, server
}

// drop forgets a connection that came to nothing.
func (ln *link) drop(c *conn) {
	ln.mu.Lock()
	defer ln.mu.Unlock()
	c.reset()
}

// A conn is one end of a connection. All is guarded by the link's lock.
type conn struct {
	of            *link
	peer          *conn
	local, remote memoryAddr
	cutAfter      int64 // bytes that this end may still send; 0: any number

	arrived  []byte // sent by the peer and not read
	eof      bool   // the peer sends no more
	closed   bool   // Close was called on this end
	shut     bool   // CloseRead was
	broken   bool   // by a reset
	read     limit
	write    limit
	finished bool // CloseWrite was called on this end
}

// A limit is a deadline with the timer that wakes those who wait for it.
type limit struct {
	at    time.Time
	timer *time.Timer
}

func (l *limit) passed() bool { return !l.at.IsZero() && !time.Now().Before(l.at) }

func (l *limit) set(at time.Time, wake func()) {
	if l.timer != nil {
		l.timer.Stop()
		l.timer = nil
	}
	l.at = at
	if !at.IsZero() && !l.passed() {
		l.timer = after(at, wake)
	}
}

var (
	_ net.Conn                                = (*conn)(nil)
	_ interface{ CloseWrite() error }         = (*conn)(nil)
	_ interface{ CloseRead() error }          = (*conn)(nil)
	_ interface{ Accept() (net.Conn, error) } = (*listener)(nil)
)

func (c *conn) LocalAddr() net.Addr  { return c.local }
func (c *conn) RemoteAddr() net.Addr { return c.remote }

func (c *conn) fail(op string, err error) error {
	return &net.OpError{Op: op, Net: "tcp", Source: c.local, Addr: c.remote, Err: err}
}

// Read reads what has arrived, or waits for it.
func (c *conn) Read(p []byte) (int, error) {
	c.of.mu.Lock()
	defer c.of.mu.Unlock()
	for {
		switch {
		case c.closed:
			return 0, c.fail("read", net.ErrClosed)
		case c.read.passed():
			return 0, c.fail("read", os.ErrDeadlineExceeded)
		case c.shut:
			return 0, io.EOF
		case len(p) == 0:
			return 0, nil
		case c.of.now.Stall:
		case len(c.arrived) > 0:
			n := copy(p, c.arrived)
			c.arrived = c.arrived[n:]
			c.of.changed.Broadcast()
			return n, nil
		case c.broken:
			return 0, c.fail("read", os.NewSyscallError("read", syscall.ECONNRESET))
		case c.eof:
			return 0, io.EOF
		}
		c.of.changed.Wait()
	}
}

// Write sends p, and waits while the peer's buffer is full.
func (c *conn) Write(p []byte) (sent int, err error) {
	c.of.mu.Lock()
	defer c.of.mu.Unlock()
	for {
		switch {
		case c.closed:
			return sent, c.fail("write", net.ErrClosed)
		case c.write.passed():
			return sent, c.fail("write", os.ErrDeadlineExceeded)
		case c.broken && !c.of.now.Stall:
			return sent, c.fail("write", os.NewSyscallError("write", syscall.ECONNRESET))
		case c.finished, c.peer.closed && !c.of.now.Stall:
			return sent, c.fail("write", os.NewSyscallError("write", syscall.EPIPE))
		case len(p) == 0:
			return sent, nil
		}
		if n := min(connBuffer-len(c.peer.arrived), len(p)); n > 0 {
			if c.cutAfter > 0 && int64(n) >= c.cutAfter {
				n = int(c.cutAfter)
			}
			c.send(p[:n])
			sent, p = sent+n, p[n:]
			continue
		}
		c.of.changed.Wait()
	}
}

// send puts what fits into the peer's buffer.
func (c *conn) send(p []byte) {
	if !c.peer.shut {
		c.peer.arrived = append(c.peer.arrived, p...)
	}
	c.of.changed.Broadcast()
	if c.cutAfter == 0 {
		return
	}
	if c.cutAfter -= int64(len(p)); c.cutAfter == 0 {
		c.broken, c.peer.broken = true, true // the peer still reads what came before
	}
}

// reset ends the connection in both directions; what had not been read is lost.
func (c *conn) reset() {
	for _, end := range []*conn{c, c.peer} {
		end.broken = true
		end.arrived = nil
		delete(end.of.conns, end)
	}
	c.of.changed.Broadcast()
}

// Close ends both directions. The peer reads what was sent and then EOF; it is
// reset if something that it sent was not read.
func (c *conn) Close() error {
	return c.change("close", func() {
		c.closed, c.peer.eof = true, true
		if len(c.arrived) > 0 {
			c.peer.broken = true
		}
		c.arrived = nil
		c.read.set(time.Time{}, nil)
		c.write.set(time.Time{}, nil)
		delete(c.of.conns, c)
	})
}

// CloseWrite tells the peer that no more will come.
func (c *conn) CloseWrite() error {
	return c.change("close", func() { c.finished, c.peer.eof = true, true })
}

// CloseRead throws away what arrives from now on.
func (c *conn) CloseRead() error {
	return c.change("close", func() { c.shut, c.arrived = true, nil })
}

// SetDeadline sets both deadlines; the zero time is none.
func (c *conn) SetDeadline(t time.Time) error { return c.deadlines(t, &c.read, &c.write) }

// SetReadDeadline sets the deadline of Read.
func (c *conn) SetReadDeadline(t time.Time) error { return c.deadlines(t, &c.read) }

// SetWriteDeadline sets the deadline of Write.
func (c *conn) SetWriteDeadline(t time.Time) error { return c.deadlines(t, &c.write) }

func (c *conn) deadlines(t time.Time, limits ...*limit) error {
	return c.change("set", func() {
		for _, l := range limits {
			l.set(t, c.of.wake)
		}
	})
}

// change does something to a connection that is not closed, and wakes those who wait.
func (c *conn) change(op string, f func()) error {
	c.of.mu.Lock()
	defer c.of.mu.Unlock()
	if c.closed {
		return c.fail(op, net.ErrClosed)
	}
	f()
	c.of.changed.Broadcast()
	return nil
}
