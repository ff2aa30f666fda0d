package holdfasttest_test

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast/holdfasttest"
)

// A model is one end of a connection as a reader of TCP's manual sees it.
type model struct {
	arrived                           int  // bytes that can be read
	closed, finished, shut, eof, dead bool // Close, CloseWrite, CloseRead; the peer sends no more; reset
	timeout                           bool // the deadline has passed
}

func (m *model) read(n int) (int, error) {
	switch {
	case m.closed:
		return 0, net.ErrClosed
	case m.timeout:
		return 0, os.ErrDeadlineExceeded
	case m.shut:
		return 0, io.EOF
	case m.arrived > 0:
		n = min(n, m.arrived)
		m.arrived -= n
		return n, nil
	case m.dead:
		return 0, syscall.ECONNRESET
	case m.eof:
		return 0, io.EOF
	}
	return 0, os.ErrDeadlineExceeded // nothing there: it waits for the deadline that the test sets
}

func (m *model) write(peer *model, n int) (int, error) {
	switch {
	case m.closed:
		return 0, net.ErrClosed
	case m.timeout:
		return 0, os.ErrDeadlineExceeded
	case m.dead:
		return 0, syscall.ECONNRESET
	case m.finished, peer.closed:
		return 0, syscall.EPIPE
	}
	room := min(n, 64<<10-peer.arrived)
	if !peer.shut {
		peer.arrived += room
	} else {
		room = n
	}
	if room < n {
		return room, os.ErrDeadlineExceeded
	}
	return n, nil
}

func (m *model) close(peer *model) error {
	if m.closed {
		return net.ErrClosed
	}
	m.closed, peer.eof = true, true
	if m.arrived > 0 {
		peer.dead = true
	}
	m.arrived = 0
	return nil
}

// FuzzConn runs a connection and its model through the same operations, one at a
// time, each with a deadline a second off or one that has passed.
func FuzzConn(f *testing.F) {
	f.Add([]byte("wrwrcr"))
	f.Add([]byte("wWcRr"))
	f.Add([]byte("fRWwrC"))
	f.Add([]byte("sWrtwrT"))
	f.Add([]byte("frWrfw"))
	f.Add([]byte("wwwwwwwwwwwwwwwwwwwwwwwRXrw"))
	f.Add([]byte("wCrcXwR"))
	f.Fuzz(func(t *testing.T, ops []byte) {
		if len(ops) > 200 {
			return
		}
		synctest.Test(t, func(t *testing.T) {
			n := new(holdfasttest.Network)
			client, server := pair(t, n)
			conns, models := [2]net.Conn{client, server}, [2]*model{new(model), new(model)}
			for i, op := range ops {
				end := 0
				if op >= 'a' { // lower case is the client's end
					op -= 'a' - 'A'
					end = 1
				}
				c, m, peer := conns[end], models[end], models[1-end]
				if !m.timeout {
					c.SetDeadline(time.Now().Add(time.Second))
				}
				var got, want int
				var err, wants error
				switch op {
				case 'R':
					want, wants = m.read(5000)
					got, err = c.Read(make([]byte, 5000))
				case 'W':
					want, wants = m.write(peer, 3000)
					got, err = c.Write(make([]byte, 3000))
				case 'C':
					wants, err = m.close(peer), c.Close()
				case 'F':
					if wants = net.ErrClosed; !m.closed {
						wants, m.finished, peer.eof = nil, true, true
					}
					err = c.(interface{ CloseWrite() error }).CloseWrite()
				case 'S':
					if wants = net.ErrClosed; !m.closed {
						wants, m.shut, m.arrived = nil, true, 0
					}
					err = c.(interface{ CloseRead() error }).CloseRead()
				case 'T':
					if m.closed {
						continue
					}
					m.timeout = !m.timeout
					c.SetDeadline(time.Unix(1, 0))
				case 'X':
					n.Cut("a:1")
					for j, m := range models {
						if !m.closed || !models[1-j].closed {
							m.dead, m.arrived = true, 0
						}
					}
				}
				if got != want || !errors.Is(err, wants) || wants == nil && err != nil {
					t.Fatalf("operation %d of %q: %d, %v; the model says %d, %v", i, ops, got, err, want, wants)
				}
			}
		})
	})
}
