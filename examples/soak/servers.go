package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
)

// A fault is what a node does with a part of its requests.
type fault int32

const (
	well fault = iota
	slow
	failing
	resets
	hangs
	halves // breaks the body off
	overloaded
	faults
)

// A node is an HTTP and a gRPC server on ports of its own, which can be made ill, and restarts.
type node struct {
	ill     atomic.Int32
	mu      sync.Mutex
	random  *rand.Rand
	addr    string
	http    *http.Server
	rpcAddr string
	rpc     *grpc.Server
	served  sync.WaitGroup
}

func startNodes(n int, seed uint64) ([]*node, error) {
	var nodes []*node
	for i := range n {
		one := &node{random: rand.New(rand.NewPCG(seed, uint64(i)+100)), addr: "127.0.0.1:0", rpcAddr: "127.0.0.1:0"}
		if err := one.start(); err != nil {
			for _, n := range nodes {
				n.stop()
			}
			return nil, err
		}
		nodes = append(nodes, one)
	}
	return nodes, nil
}

// start begins to serve, at the addresses that it had before.
func (n *node) start() error {
	web, err := net.Listen("tcp", n.addr)
	if err != nil {
		return fmt.Errorf("starting a node: %w", err)
	}
	rpc, err := net.Listen("tcp", n.rpcAddr)
	if err != nil {
		_ = web.Close()
		return fmt.Errorf("starting a node: %w", err)
	}
	n.addr, n.rpcAddr = web.Addr().String(), rpc.Addr().String()
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	n.http = &http.Server{Handler: n, ErrorLog: log.New(io.Discard, "", 0), Protocols: protocols, ReadHeaderTimeout: time.Minute}
	n.rpc = newRPC(n)
	n.served.Go(func() { _ = n.http.Serve(web) }) // both end with stop
	n.served.Go(func() { _ = n.rpc.Serve(rpc) })
	return nil
}

// stop closes the listeners and all connections.
func (n *node) stop() {
	_ = n.http.Close()
	n.rpc.Stop()
	n.served.Wait()
}

// trouble has one node after the other fall ill, get well, and restart, until ctx ends; then all
// are well.
func trouble(ctx context.Context, nodes []*node) {
	defer func() {
		for _, n := range nodes {
			n.ill.Store(int32(well))
		}
	}()
	for turn := 0; sleep(ctx, 700*time.Millisecond); turn++ {
		n := nodes[turn%len(nodes)]
		if n.draw(6) != 0 {
			n.ill.Store(int32(n.draw(int(faults))))
			continue
		}
		n.stop()
		sleep(ctx, time.Duration(n.draw(1000))*time.Millisecond)
		for n.start() != nil { // somebody else has the port for a moment
			time.Sleep(100 * time.Millisecond)
		}
	}
}

// sleep reports whether ctx has not ended meanwhile.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

func (n *node) draw(below int) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.random.IntN(below)
}

// today is what becomes of one request: two of three meet the node's fault.
func (n *node) today() fault {
	if n.draw(3) == 0 {
		return well
	}
	return fault(n.ill.Load())
}

var answer = strings.Repeat("an answer of some length\n", 100)

// ServeHTTP answers, as well as the node is.
func (n *node) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	switch n.today() {
	case slow:
		sleep(r.Context(), time.Duration(n.draw(700))*time.Millisecond)
	case failing:
		w.WriteHeader(http.StatusServiceUnavailable)
	case resets:
		panic(http.ErrAbortHandler)
	case hangs:
		sleep(r.Context(), 20*time.Second)
		panic(http.ErrAbortHandler)
	case halves:
		w.Header().Set("Content-Length", strconv.Itoa(len(answer)))
		_, _ = io.WriteString(w, answer[:len(answer)/2])
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	case overloaded:
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(http.StatusTooManyRequests)
	}
	_, _ = io.WriteString(w, answer)
}
