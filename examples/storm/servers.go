package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"log"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// A node is one real HTTP server on a port of its own, which can be made ill.
type node struct {
	number int
	seed   uint64
	addr   string // stays the same when the node goes down and returns

	mu      sync.Mutex
	fault   fault
	changed chan struct{} // closed at the next turn
	grpc    grpcSide
	server  *http.Server  // nil while down
	served  chan struct{} // closed when server no longer accepts
}

// startNodes starts n healthy nodes on 127.0.0.1.
func startNodes(n int, seed uint64) ([]*node, error) {
	var nodes []*node
	for i := range n {
		node := &node{number: i, seed: seed, changed: make(chan struct{})}
		for addr, serve := range map[*string]func(net.Listener){&node.addr: node.serve, &node.grpc.addr: node.serveGRPC} {
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				stopNodes(append(nodes, node))
				return nil, fmt.Errorf("starting node %d: %w", i+1, err)
			}
			*addr = listener.Addr().String()
			serve(listener)
		}
		nodes = append(nodes, node)
	}
	return nodes, nil
}

func stopNodes(nodes []*node) {
	for _, n := range nodes {
		_ = n.turn(context.Background(), down) // closing what is closed is no error
	}
}

// addrs are where the nodes listen: the list that both clients go by.
func addrs(nodes []*node) []string {
	var list []string
	for _, n := range nodes {
		list = append(list, n.addr)
	}
	return list
}

func grpcAddrs(nodes []*node) []string {
	var list []string
	for _, n := range nodes {
		list = append(list, n.grpc.addr)
	}
	return list
}

// serve accepts connections until the node goes down; mu is held, or nobody
// else knows the node.
func (n *node) serve(listener net.Listener) {
	mux := http.NewServeMux()
	mux.HandleFunc("/items/{id}", n.answer)
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second, ErrorLog: log.New(io.Discard, "", 0)}
	served := make(chan struct{})
	n.server, n.served = server, served
	go func() {
		defer close(served)
		_ = server.Serve(listener) // ends with ErrServerClosed
	}()
}

// turn gives the node another fault, or none. Going down closes the listener and
// all connections, as a crash would; returning opens the same port again.
func (n *node) turn(ctx context.Context, f fault) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.fault = f
	close(n.changed)
	n.changed = make(chan struct{})
	if f == down {
		if n.server != nil {
			_ = n.server.Close() // its connections are to break
			<-n.served
			n.server = nil
		}
		if n.grpc.server != nil {
			n.grpc.down()
		}
		return nil
	}
	if n.server == nil {
		listener, err := relisten(ctx, n.addr)
		if err != nil {
			return fmt.Errorf("node %d does not come back: %w", n.number+1, err)
		}
		n.serve(listener)
	}
	if n.grpc.server == nil {
		listener, err := relisten(ctx, n.grpc.addr)
		if err != nil {
			return fmt.Errorf("node %d does not come back: %w", n.number+1, err)
		}
		n.serveGRPC(listener)
	}
	return nil
}

// relisten opens a port that was open before. Somebody else's connection can
// hold it for a moment.
func relisten(ctx context.Context, addr string) (net.Listener, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	var config net.ListenConfig
	for {
		listener, err := config.Listen(ctx, "tcp", addr)
		if err == nil {
			return listener, nil
		}
		if !waitUntil(ctx, time.Now().Add(10*time.Millisecond)) {
			return nil, err
		}
	}
}

// state returns what is wrong, and a channel that is closed when that changes.
func (n *node) state() (fault, <-chan struct{}) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.fault, n.changed
}

// maxRequest bounds what a node reads of a request.
const maxRequest = 64 << 10

func (n *node) answer(w http.ResponseWriter, r *http.Request) {
	id, err := strconv.Atoi(r.PathValue("id"))
	if err != nil {
		http.Error(w, "no such item", http.StatusNotFound)
		return
	}
	// Read to its end before anything else: net/http notices a client that has
	// gone away only after that.
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
	if err != nil {
		return // the client went away while sending
	}
	switch err := n.work(r.Context(), id); {
	case errors.Is(err, errUnavailable):
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	case err != nil:
		return // the client went away while waiting
	}
	text := content(id, body)
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	_, _ = w.Write(text) // a client that has gone away needs no answer
}

var errUnavailable = errors.New("this node is out of order")

// work takes as long as the node takes in its state.
func (n *node) work(ctx context.Context, id int) error {
	f, changed := n.state()
	for f == hanging {
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
		f, changed = n.state()
	}
	if f == failing {
		return errUnavailable
	}
	took := serviceTime(n.seed, n.number, id)
	if f == slow {
		took *= slowness
	}
	if !waitUntil(ctx, time.Now().Add(took)) {
		return ctx.Err()
	}
	return nil
}

// content is the right answer to a call, by which a client tells it from a
// truncated or somebody else's.
func content(id int, request []byte) []byte {
	line := fmt.Appendf(nil, "item %d, for a request of %08x\n", id, crc32.ChecksumIEEE(request))
	return bytes.Repeat(line, 8+id%64)
}
