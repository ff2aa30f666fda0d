package holdfasttest

import (
	"context"
	"errors"
	"net"
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// A Network is a network in memory, on which real servers and clients run, also
// inside a bubble of testing/synctest: whoever waits on it waits in virtual
// time. Its connections behave as those of TCP where it matters to net/http and
// to gRPC: they have buffers, deadlines and half-closes; a dial to where nobody
// listens is refused; one that was closed tells its peer. The zero Network is
// ready, and there are as many addresses as names.
//
//	l, err := network.Listen("users:80")
//	go server.Serve(l)
//	transport := &http.Transport{DialContext: network.DialContext}
//
// gRPC dials it by grpc.WithContextDialer(network.Dial) and a target such as
// "passthrough:///users:80". A Network that is used in a bubble is made there.
type Network struct {
	mu        sync.Mutex
	listeners map[string]*listener
	links     map[string]*link
	ports     int
}

// Conditions are what is wrong on the way to an address. The zero value is
// nothing.
type Conditions struct {
	// Refuse: nobody can connect, though there may be a listener. Connections that
	// are open stay as they are.
	Refuse bool
	// Stall: nothing arrives, in either direction, not even the news that a
	// connection was closed, and dials wait. What was sent is kept until the
	// stall is over.
	Stall bool
	// CutAfter: connections made from now on break in both directions, as by a
	// reset, when they have carried this many bytes from the listener's side. Zero
	// and negative: they do not.
	CutAfter int64
}

// Listen listens at addr. A port of 0, or none, is given a number, and an empty
// host the name "memory".
func (n *Network) Listen(addr string) (net.Listener, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		host, port = addr, ""
	}
	if host == "" {
		host = "memory"
	}
	for port == "" || port == "0" {
		n.ports++
		if free := strconv.Itoa(n.ports); n.listeners[net.JoinHostPort(host, free)] == nil {
			port = free
		}
	}
	addr = net.JoinHostPort(host, port)
	if n.listeners[addr] != nil {
		return nil, opError("listen", memoryAddr(addr), os.NewSyscallError("bind", syscall.EADDRINUSE))
	}
	l := &listener{of: n, addr: memoryAddr(addr)}
	l.changed = sync.NewCond(&l.mu)
	if n.listeners == nil {
		n.listeners = map[string]*listener{}
	}
	n.listeners[addr] = l
	return l, nil
}

// Set puts the conditions on the way to addr, as a listener's Addr names it.
func (n *Network) Set(addr string, c Conditions) { n.link(addr).set(c) }

// Cut breaks all connections to addr, as a reset does. New ones can be made.
func (n *Network) Cut(addr string) { n.link(addr).cut() }

// Dial is DialContext for gRPC: grpc.WithContextDialer(network.Dial).
func (n *Network) Dial(ctx context.Context, addr string) (net.Conn, error) {
	return n.DialContext(ctx, "tcp", addr)
}

// DialContext connects to the listener at addr, as the field of http.Transport
// asks for. The network is not looked at.
func (n *Network) DialContext(ctx context.Context, _, addr string) (net.Conn, error) {
	to := memoryAddr(addr)
	if ctx.Err() != nil {
		return nil, opError("dial", to, ctx.Err())
	}
	ln := n.link(addr)
	stop := context.AfterFunc(ctx, ln.wake)
	defer stop()
	if err := ln.passable(ctx); err != nil {
		if errors.Is(err, context.DeadlineExceeded) {
			err = os.ErrDeadlineExceeded
		}
		return nil, opError("dial", to, err)
	}
	n.mu.Lock()
	l := n.listeners[addr]
	n.ports++
	from := memoryAddr("dialer:" + strconv.Itoa(n.ports))
	n.mu.Unlock()
	if l == nil {
		return nil, opError("dial", to, os.NewSyscallError("connect", syscall.ECONNREFUSED))
	}
	client, server := ln.connect(from, l.addr)
	if !l.offer(server) {
		ln.drop(client)
		return nil, opError("dial", to, os.NewSyscallError("connect", syscall.ECONNREFUSED))
	}
	return client, nil
}

// link returns what is between the dialers and an address.
func (n *Network) link(addr string) *link {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.links[addr] == nil {
		if n.links == nil {
			n.links = map[string]*link{}
		}
		ln := &link{conns: map[*conn]bool{}}
		ln.changed = sync.NewCond(&ln.mu)
		n.links[addr] = ln
	}
	return n.links[addr]
}

// A memoryAddr names an end of a connection.
type memoryAddr string

func (memoryAddr) Network() string  { return "tcp" }
func (a memoryAddr) String() string { return string(a) }

func opError(op string, addr net.Addr, err error) error {
	return &net.OpError{Op: op, Net: "tcp", Addr: addr, Err: err}
}

// A listener hands out the ends of connections that were dialled.
type listener struct {
	of      *Network
	addr    memoryAddr
	mu      sync.Mutex
	changed *sync.Cond
	waiting []*conn
	closed  bool
}

func (l *listener) Addr() net.Addr { return l.addr }

// offer queues a connection, of which there can be any number.
func (l *listener) offer(c *conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return false
	}
	l.waiting = append(l.waiting, c)
	l.changed.Signal()
	return true
}

// Accept waits for a connection.
func (l *listener) Accept() (net.Conn, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.waiting) == 0 && !l.closed {
		l.changed.Wait()
	}
	if l.closed {
		return nil, opError("accept", l.addr, net.ErrClosed)
	}
	c := l.waiting[0]
	l.waiting = l.waiting[1:]
	return c, nil
}

// Close refuses new connections, and resets those that nobody accepted.
func (l *listener) Close() error {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return opError("close", l.addr, net.ErrClosed)
	}
	l.closed = true
	waiting := l.waiting
	l.waiting = nil
	l.changed.Broadcast()
	l.mu.Unlock()
	for _, c := range waiting {
		c.of.mu.Lock()
		c.reset()
		c.of.mu.Unlock()
	}
	l.of.mu.Lock()
	defer l.of.mu.Unlock()
	delete(l.of.listeners, string(l.addr))
	return nil
}

// after runs f when the deadline has come.
func after(deadline time.Time, f func()) *time.Timer { return time.AfterFunc(time.Until(deadline), f) }
