package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"
)

func oneNode(t *testing.T) *node {
	t.Helper()
	nodes, err := startNodes(1, 1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stopNodes(nodes) })
	return nodes[0]
}

// ask makes one call to the node and returns the status and the answer.
func ask(ctx context.Context, n *node, method, path, body string) (int, []byte, error) {
	base := transport()
	defer base.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, method, "http://"+n.addr+path, strings.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	resp, err := base.RoundTrip(req)
	if err != nil {
		return 0, nil, err
	}
	got, err := io.ReadAll(resp.Body)
	return resp.StatusCode, got, errors.Join(err, resp.Body.Close())
}

func turnTo(t *testing.T, n *node, f fault) {
	t.Helper()
	if err := n.turn(t.Context(), f); err != nil {
		t.Fatal(err)
	}
}

func TestNodeAnswers(t *testing.T) {
	n := oneNode(t)
	for _, f := range []fault{healthy, slow} {
		turnTo(t, n, f)
		start := time.Now()
		status, got, err := ask(t.Context(), n, http.MethodPost, "/items/7", "order 7")
		if err != nil || status != http.StatusOK || !bytes.Equal(got, content(7, []byte("order 7"))) {
			t.Errorf("%v: %d %q, %v", f, status, got, err)
		}
		least := serviceTime(1, 0, 7)
		if f == slow {
			least *= slowness
		}
		if took := time.Since(start); took < least {
			t.Errorf("%v: answered after %v, before %v", f, took, least)
		}
	}
	if status, _, err := ask(t.Context(), n, http.MethodGet, "/items/none", ""); err != nil || status != http.StatusNotFound {
		t.Errorf("an item that is none: %d, %v", status, err)
	}
}

func TestNodeAnswers503(t *testing.T) {
	n := oneNode(t)
	turnTo(t, n, failing)
	if status, _, err := ask(t.Context(), n, http.MethodGet, "/items/1", ""); err != nil || status != http.StatusServiceUnavailable {
		t.Errorf("%d, %v", status, err)
	}
}

func TestNodeHangsUntilItIsOver(t *testing.T) {
	n := oneNode(t)
	turnTo(t, n, hanging)
	hung, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, _, err := ask(hung, n, http.MethodPost, "/items/1", "x"); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("a node that hangs: %v", err)
	}
	answer := make(chan int)
	go func() {
		status, _, _ := ask(t.Context(), n, http.MethodGet, "/items/1", "")
		answer <- status
	}()
	turnTo(t, n, hanging) // another turn to the same does not let anybody go
	select {
	case status := <-answer:
		t.Fatalf("a node that hangs answered %d", status)
	case <-time.After(50 * time.Millisecond):
	}
	turnTo(t, n, healthy)
	if status := <-answer; status != http.StatusOK {
		t.Errorf("once it is over: %d", status)
	}
}

func TestNodeRefusesAndReturnsOnItsPort(t *testing.T) {
	n := oneNode(t)
	under := make(chan error)
	turnTo(t, n, hanging)
	conn, err := net.Dial("tcp", n.addr) // under way when the node goes down
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	go func() {
		_, err := io.ReadAll(conn)
		under <- err
	}()
	turnTo(t, n, down)
	turnTo(t, n, down)
	<-under // it broke; a hanging test would be one that did not
	for range 3 {
		if _, _, err := ask(t.Context(), n, http.MethodGet, "/items/1", ""); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Fatalf("a node that is down: %v, want a refused connection", err)
		}
	}
	addr := n.addr
	turnTo(t, n, healthy)
	if status, _, err := ask(t.Context(), n, http.MethodGet, "/items/1", ""); err != nil || status != http.StatusOK || n.addr != addr {
		t.Errorf("back again at %s, was %s: %d, %v", n.addr, addr, status, err)
	}
}

func TestNodeWaitsForItsPort(t *testing.T) {
	n := oneNode(t)
	turnTo(t, n, down)
	other, err := net.Listen("tcp", n.addr)
	if err != nil {
		t.Fatal(err)
	}
	back := make(chan error)
	go func() { back <- n.turn(t.Context(), healthy) }()
	select {
	case err := <-back:
		t.Fatalf("returned while the port was taken: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-back; err != nil {
		t.Error(err)
	}

	turnTo(t, n, down)
	if other, err = net.Listen("tcp", n.addr); err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := n.turn(ctx, healthy); !errors.Is(err, syscall.EADDRINUSE) || !strings.Contains(err.Error(), "node 1") {
		t.Errorf("a port that stays taken: %v", err)
	}
}
