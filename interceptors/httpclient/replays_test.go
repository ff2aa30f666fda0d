package httpclient_test

import (
	"bufio"
	"context"
	"net"
	"net/http"
	"sync"
	"testing"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/interceptors/httpclient"
	"github.com/holdfast-go/holdfast/observe"
	"github.com/holdfast-go/holdfast/retry"
)

// closing is a server whose connections answer once and are closed when a second
// request has come: what every server may do to a connection that was idle.
func closing(t *testing.T) (addr string) {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var conns sync.WaitGroup
	conns.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			conns.Go(func() {
				defer func() { _ = c.Close() }()
				r := bufio.NewReader(c)
				if _, err := http.ReadRequest(r); err != nil {
					return
				}
				_, _ = c.Write([]byte("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))
				_, _ = http.ReadRequest(r)
			})
		}
	})
	t.Cleanup(func() { _ = l.Close(); conns.Wait() })
	return l.Addr().String()
}

// R14: what net/http sends again by itself is in the count of the attempts and in the
// budget, and observers are told.
func TestR14_TheTransportsOwnReplaysAreCounted(t *testing.T) {
	addr := closing(t)
	base := &http.Transport{}
	defer base.CloseIdleConnections()
	budget := retry.NewBudget(retry.BudgetOptions{})
	var mu sync.Mutex
	var calls []observe.Record
	var events []holdfast.Event
	watch := observe.New(observe.Options{
		Done:  func(_ context.Context, r observe.Record) { mu.Lock(); calls = append(calls, r); mu.Unlock() },
		Event: func(_ context.Context, e holdfast.Event) { mu.Lock(); events = append(events, e); mu.Unlock() },
	})
	client := &http.Client{Transport: httpclient.Wrapper{CountReplays: true}.Wrap(base, watch, retry.New(retry.Options{Budget: budget}))}
	for range 3 {
		get200(t, client, "http://"+addr)
	}
	mu.Lock()
	defer mu.Unlock()
	if len(calls) != 3 || calls[0].Attempts != 1 || calls[1].Attempts != 2 || calls[2].Attempts != 2 {
		t.Errorf("%+v", calls)
	}
	if len(events) != 2 || events[0].Kind != "replay" {
		t.Errorf("%+v", events)
	}
	if n := budget.Stats(addr).Withdrawn; n != 2 {
		t.Errorf("%d drawn from the budget", n)
	}
}
