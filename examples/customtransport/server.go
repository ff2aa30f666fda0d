package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"sync"
)

// A Server answers requests by a function: what it writes is the answer, and a *StatusError
// that it returns before it has written is the status. Any other error breaks the connection,
// so that the client knows that the answer is not whole. ctx ends when the client has gone.
type Server struct {
	answer   func(ctx context.Context, req Request, w io.Writer) error
	listener net.Listener
	running  sync.WaitGroup

	mu     sync.Mutex
	conns  map[net.Conn]bool
	closed bool
}

// Serve begins to answer what connects to l.
func Serve(l net.Listener, answer func(ctx context.Context, req Request, w io.Writer) error) *Server {
	s := &Server{answer: answer, listener: l, conns: map[net.Conn]bool{}}
	s.running.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil || !s.add(c) {
				return
			}
			s.running.Go(func() { s.serve(c) })
		}
	})
	return s
}

// Addr is where the server listens.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// Close stops listening, breaks all connections, and waits for all that runs.
func (s *Server) Close() {
	s.mu.Lock()
	s.closed = true
	_ = s.listener.Close()
	for c := range s.conns {
		_ = c.Close()
	}
	s.mu.Unlock()
	s.running.Wait()
}

func (s *Server) add(c net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		_ = c.Close()
		return false
	}
	s.conns[c] = true
	return true
}

func (s *Server) remove(c net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
	_ = c.Close()
}

// serve answers the requests of a connection, one after the other. What reads them is another
// goroutine, which thus learns that the client has gone.
func (s *Server) serve(c net.Conn) {
	defer s.remove(c)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	requests := make(chan frame)
	s.running.Go(func() {
		defer close(requests)
		defer cancel()
		r := bufio.NewReader(c)
		for {
			f, err := readFrame(r)
			if err != nil {
				return
			}
			select {
			case requests <- f:
			case <-ctx.Done():
				return
			}
		}
	})
	for f := range requests {
		if s.one(ctx, f, c) != nil {
			return
		}
	}
}

// one answers one request; an error ends the connection.
func (s *Server) one(ctx context.Context, f frame, c net.Conn) error {
	var req Request
	if err := json.Unmarshal(f.payload, &req); err != nil || f.kind != asks {
		return errProtocol
	}
	w := &answering{id: f.id, w: c}
	err := s.answer(ctx, req, w)
	var said *StatusError
	switch {
	case err == nil:
		return w.send(ends, nil)
	case errors.As(err, &said) && !w.begun:
		return w.send(begins, said)
	default:
		return err
	}
}

// answering is the writer of one answer.
type answering struct {
	id    uint32
	w     io.Writer
	begun bool
}

// Write sends a part of the answer.
func (a *answering) Write(p []byte) (int, error) {
	for sent := 0; sent < len(p); {
		n := min(len(p)-sent, maxFrame)
		if err := a.part(goesOn, p[sent:sent+n]); err != nil {
			return sent, err
		}
		sent += n
	}
	return len(p), nil
}

func (a *answering) part(k kind, payload []byte) error {
	if !a.begun {
		a.begun = true
		if err := a.send(begins, &StatusError{Status: OK}); err != nil {
			return err
		}
	}
	_, err := a.w.Write(frame{a.id, k, payload}.bytes())
	return err
}

func (a *answering) send(k kind, s *StatusError) error {
	if s != nil {
		_, err := a.w.Write(frame{a.id, k, s.payload()}.bytes())
		return err
	}
	return a.part(k, nil)
}
