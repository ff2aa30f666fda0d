package holdfasttest_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast/holdfasttest"
)

// pair returns both ends of a connection.
func pair(t *testing.T, n *holdfasttest.Network) (client, server net.Conn) {
	t.Helper()
	l, err := n.Listen("a:1")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	if client, err = n.DialContext(t.Context(), "tcp", "a:1"); err != nil {
		t.Fatal(err)
	}
	if server, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close(); server.Close() })
	return client, server
}

func TestConnCarriesBytesBothWays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := pair(t, new(holdfasttest.Network))
		sent := bytes.Repeat([]byte("0123456789"), 100_000) // more than a buffer
		for _, c := range [][2]net.Conn{{client, server}, {server, client}} {
			var wg sync.WaitGroup
			wg.Go(func() {
				if n, err := c[0].Write(sent); n != len(sent) || err != nil {
					t.Errorf("Write = %d, %v", n, err)
				}
			})
			got := make([]byte, len(sent))
			if _, err := io.ReadFull(c[1], got); err != nil || !bytes.Equal(got, sent) {
				t.Errorf("what arrived is not what was sent; %v", err)
			}
			wg.Wait()
		}
		if client.RemoteAddr().String() != "a:1" || server.LocalAddr().String() != "a:1" || client.LocalAddr().String() != server.RemoteAddr().String() {
			t.Errorf("addresses %v-%v and %v-%v", client.LocalAddr(), client.RemoteAddr(), server.LocalAddr(), server.RemoteAddr())
		}
	})
}

func TestConnDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, _ := pair(t, new(holdfasttest.Network))
		start := time.Now()
		client.SetReadDeadline(start.Add(3 * time.Second))
		_, err := client.Read(make([]byte, 1))
		var timeout net.Error
		if !errors.Is(err, os.ErrDeadlineExceeded) || !errors.As(err, &timeout) || !timeout.Timeout() || time.Since(start) != 3*time.Second {
			t.Errorf("Read = %v after %v", err, time.Since(start))
		}
		client.SetWriteDeadline(time.Now().Add(time.Second))
		n, err := client.Write(make([]byte, 1<<20))
		if !errors.Is(err, os.ErrDeadlineExceeded) || n != 64<<10 || time.Since(start) != 4*time.Second {
			t.Errorf("Write = %d, %v after %v; want a full buffer of 64 KiB", n, err, time.Since(start))
		}
		client.SetDeadline(time.Time{}) // and again without: a deadline moved while a Read waits wakes it
		time.AfterFunc(time.Second, func() { client.SetDeadline(time.Unix(1, 0)) })
		if _, err = client.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) != 5*time.Second {
			t.Errorf("Read = %v after %v", err, time.Since(start))
		}
	})
}

func TestConnCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := new(holdfasttest.Network)
		client, server := pair(t, n)
		io.WriteString(client, "last words")
		client.(interface{ CloseWrite() error }).CloseWrite()
		if got, err := io.ReadAll(server); string(got) != "last words" || err != nil {
			t.Errorf("read %q, %v; want what was sent, and EOF", got, err)
		}
		if _, err := client.Write([]byte("x")); !errors.Is(err, syscall.EPIPE) {
			t.Errorf("Write after CloseWrite: %v", err)
		}
		if _, err := io.WriteString(server, "answer"); err != nil {
			t.Errorf("the other half is closed too: %v", err)
		}
		server.Close()
		if got, err := io.ReadAll(client); string(got) != "answer" || err != nil {
			t.Errorf("read %q, %v", got, err)
		}
		if _, err := server.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Read after Close: %v", err)
		}
		if err := server.Close(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Close after Close: %v", err)
		}
		if err := server.SetDeadline(time.Now()); !errors.Is(err, net.ErrClosed) {
			t.Errorf("SetDeadline after Close: %v", err)
		}

		l, _ := n.Listen("b")
		client, _ = n.Dial(t.Context(), l.Addr().String())
		server, _ = l.Accept()
		go func() { time.Sleep(time.Second); client.Close() }()
		if _, err := server.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("a Read that waited while the peer closed: %v", err)
		}
		if _, err := server.Write([]byte("x")); !errors.Is(err, syscall.EPIPE) {
			t.Errorf("Write to a closed peer: %v", err)
		}

		client, _ = n.Dial(t.Context(), l.Addr().String())
		server, _ = l.Accept()
		io.WriteString(client, "never read")
		io.WriteString(server, "bye")
		server.Close()
		if got, err := io.ReadAll(client); string(got) != "bye" || !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("a peer closed with unread bytes: read %q, %v; want a reset", got, err)
		}
		client.Close()

		client, _ = n.Dial(t.Context(), l.Addr().String()) // waits to be accepted
		l.Close()
		if _, err := client.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("a connection that nobody accepted: %v", err)
		}
		if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Accept after Close: %v", err)
		}
	})
}

func TestDials(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := new(holdfasttest.Network)
		_, err := n.DialContext(t.Context(), "tcp", "nobody:1")
		var op *net.OpError
		if !errors.Is(err, syscall.ECONNREFUSED) || !errors.As(err, &op) || op.Op != "dial" {
			t.Errorf("a dial to where nobody listens: %v", err)
		}
		l, err := n.Listen("a:1")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := n.Listen("a:1"); !errors.Is(err, syscall.EADDRINUSE) {
			t.Errorf("a second listener: %v", err)
		}
		first, _ := n.Listen(":0")
		second, _ := n.Listen("")
		if first.Addr().String() == second.Addr().String() {
			t.Errorf("two listeners of any port have the address %v", first.Addr())
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := n.DialContext(ctx, "tcp", "a:1"); !errors.Is(err, context.Canceled) {
			t.Errorf("a dial with a context that is done: %v", err)
		}

		n.Set("a:1", holdfasttest.Conditions{Refuse: true})
		if _, err := n.Dial(t.Context(), "a:1"); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("a dial that the network refuses: %v", err)
		}
		n.Set("a:1", holdfasttest.Conditions{Stall: true})
		start := time.Now()
		ctx, cancel = context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := n.Dial(ctx, "a:1"); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) != time.Second {
			t.Errorf("a dial that stalls: %v after %v", err, time.Since(start))
		}
		time.AfterFunc(time.Second, func() { n.Set("a:1", holdfasttest.Conditions{}) })
		conn, err := n.Dial(t.Context(), "a:1")
		if err != nil || time.Since(start) != 2*time.Second {
			t.Fatalf("a dial until the stall is over: %v after %v", err, time.Since(start))
		}
		conn.Close()
		l.Close()
		if l, err = n.Listen("a:1"); err != nil {
			t.Errorf("an address that was given up: %v", err)
		}
		l.Close()
	})
}

func TestFaultsOfTheNetwork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := new(holdfasttest.Network)
		client, server := pair(t, n)
		n.Set("a:1", holdfasttest.Conditions{Stall: true})
		start := time.Now()
		io.WriteString(server, "late")
		time.AfterFunc(time.Second, func() { n.Set("a:1", holdfasttest.Conditions{}) })
		if got := make([]byte, 4); true {
			if _, err := io.ReadFull(client, got); err != nil || string(got) != "late" || time.Since(start) != time.Second {
				t.Errorf("read %q, %v after %v; want it when the stall is over", got, err, time.Since(start))
			}
		}
		time.AfterFunc(time.Second, func() { n.Cut("a:1") })
		if _, err := client.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) || time.Since(start) != 2*time.Second {
			t.Errorf("Read = %v after %v; want the reset", err, time.Since(start))
		}
		if _, err := server.Write([]byte("x")); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("Write = %v", err)
		}

		n.Set("a:2", holdfasttest.Conditions{CutAfter: 10})
		l, _ := n.Listen("a:2")
		defer l.Close()
		client, _ = n.Dial(t.Context(), "a:2")
		server, _ = l.Accept()
		if _, err := client.Write(make([]byte, 100)); err != nil {
			t.Errorf("the client's side is cut too: %v", err)
		}
		if sent, err := io.WriteString(server, strings.Repeat("x", 25)); sent != 10 || !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("Write = %d, %v; want the reset after 10 bytes", sent, err)
		}
		if got, err := io.ReadAll(client); len(got) != 10 || !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("read %d bytes, %v; want 10 and the reset", len(got), err)
		}
		client.Close()
		server.Close()
	})
}

// R19, the ground of it: a real net/http server and client, of HTTP/1.1 and
// HTTP/2, run in a bubble, and the time that the server takes is exact.
func TestR19_HTTPRunsInVirtualTime(t *testing.T) {
	for name, set := range map[string]func(*http.Protocols){
		"HTTP/1.1": func(p *http.Protocols) { p.SetHTTP1(true) },
		"HTTP/2":   func(p *http.Protocols) { p.SetUnencryptedHTTP2(true) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { serveHTTP(t, set) })
		})
	}
}

func serveHTTP(t *testing.T, set func(*http.Protocols)) {
	holdfasttest.CheckLeaks(t)
	var n holdfasttest.Network
	l, err := n.Listen("users:80")
	if err != nil {
		t.Fatal(err)
	}
	var protocols http.Protocols
	set(&protocols)
	server := &http.Server{Protocols: &protocols, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		time.Sleep(3 * time.Second)
		w.Write(body)
		w.(http.Flusher).Flush()
		if r.URL.Path == "/stall" {
			<-r.Context().Done()
		}
	})}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	t.Cleanup(func() {
		server.Close()
		if err := <-served; err != http.ErrServerClosed {
			t.Errorf("Serve = %v", err)
		}
	})
	bodies := &holdfasttest.Bodies{Base: &http.Transport{DialContext: n.DialContext, Protocols: &protocols}}
	defer bodies.CloseIdleConnections()
	client := &http.Client{Transport: bodies}

	start := time.Now()
	big := strings.Repeat("x", 1<<20)
	resp, err := client.Post("http://users/", "text/plain", strings.NewReader(big))
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if string(got) != big || err != nil || time.Since(start) != 3*time.Second {
		t.Errorf("%d bytes, %v after %v; want a megabyte after exactly 3 s", len(got), err, time.Since(start))
	}

	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	req, _ := http.NewRequestWithContext(ctx, http.MethodGet, "http://users/stall", nil)
	if resp, err = client.Do(req); err != nil {
		t.Fatal(err)
	}
	_, err = io.ReadAll(resp.Body)
	resp.Body.Close()
	if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 13*time.Second {
		t.Errorf("a body that stalls: %v after %v, want the deadline after exactly 13 s", err, time.Since(start))
	}

	n.Cut("users:80")
	synctest.Wait() // the client has seen it
	n.Set("users:80", holdfasttest.Conditions{Refuse: true})
	if resp, err = client.Get("http://users/"); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("a server that cannot be reached: %v, %v", resp, err)
	}
	bodies.Verify(t)
	if bodies.Opened() != 2 || bodies.Closed() != 2 || bodies.ClosedAgain() != 0 {
		t.Errorf("%d bodies, %d closed, %d again", bodies.Opened(), bodies.Closed(), bodies.ClosedAgain())
	}
}
