package main

import (
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"
)

// What a healthy server takes: each time between these is as likely.
const (
	fastest = 5 * time.Millisecond
	slowest = 50 * time.Millisecond
)

const nodeCount = 3

// The servers are healthy HTTP servers on ports of their own, until they hang.
type servers struct {
	addrs   []string
	list    []*http.Server
	served  []chan struct{}
	hanging atomic.Bool
}

// startServers starts the servers on 127.0.0.1.
func startServers(seed uint64) (*servers, error) {
	s := new(servers)
	for i := range nodeCount {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			s.stop()
			return nil, fmt.Errorf("starting server %d: %w", i+1, err)
		}
		mux := http.NewServeMux()
		mux.HandleFunc("/items/{id}", func(w http.ResponseWriter, r *http.Request) {
			s.answer(w, r, seed<<8+uint64(i)) //nolint:gosec // 0, 1 or 2
		})
		server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second, ErrorLog: log.New(io.Discard, "", 0)}
		served := make(chan struct{})
		go func() {
			defer close(served)
			_ = server.Serve(listener) // ends with ErrServerClosed
		}()
		s.addrs = append(s.addrs, listener.Addr().String())
		s.list, s.served = append(s.list, server), append(s.served, served)
	}
	return s, nil
}

func (s *servers) stop() {
	for i, server := range s.list {
		_ = server.Close() // nobody waits for an answer any more
		<-s.served[i]
	}
}

func (s *servers) answer(w http.ResponseWriter, r *http.Request, seed uint64) {
	if s.hanging.Load() {
		<-r.Context().Done()
		return
	}
	id, err := strconv.ParseUint(r.PathValue("id"), 10, 64)
	if err != nil {
		http.Error(w, "no such item", http.StatusNotFound)
		return
	}
	took := time.NewTimer(serviceTime(seed, id))
	defer took.Stop()
	select {
	case <-took.C:
	case <-r.Context().Done():
		return
	}
	_, _ = w.Write(content(id)) // a client that has gone away needs no answer
}

// serviceTime is the same for the same seed and item.
func serviceTime(seed, id uint64) time.Duration {
	r := rand.New(rand.NewPCG(seed, id))
	return fastest + time.Duration(r.Int64N(int64(slowest-fastest)+1))
}

// content is the right answer.
func content(id uint64) []byte { return fmt.Appendf(nil, "item %d\n", id) }
