package main

import (
	"context"
	"errors"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/breaker"
	"github.com/holdfast-go/holdfast/discovery"
	"github.com/holdfast-go/holdfast/hedge"
	"github.com/holdfast-go/holdfast/holdfasttest"
	"github.com/holdfast-go/holdfast/loadbalance"
	"github.com/holdfast-go/holdfast/retry"
	"github.com/holdfast-go/holdfast/timeout"
)

// A site is a network in memory with servers on it.
type site struct {
	*testing.T
	holdfasttest.Network
}

// on runs f in virtual time.
func on(t *testing.T, f func(t *site)) {
	synctest.Test(t, func(t *testing.T) { f(&site{T: t}) })
}

// serve starts a server that answers by f, which is told how many requests came before.
func (s *site) serve(f func(ctx context.Context, before int, w io.Writer) error) *Server {
	l, err := s.Listen("")
	if err != nil {
		s.Fatal(err)
	}
	var n atomic.Int32
	server := Serve(l, func(ctx context.Context, _ Request, w io.Writer) error { return f(ctx, int(n.Add(1))-1, w) })
	s.Cleanup(server.Close)
	return server
}

func (s *site) client(target string, policies ...holdfast.Policy) *Client {
	c := NewClient(target, policies...)
	c.conns.dial = s.DialContext
	s.Cleanup(c.Close)
	return c
}

// ask reads a whole answer.
func ask(c *Client, req Request) (string, error) {
	answer, err := c.Ask(context.Background(), req)
	if err != nil {
		return "", err
	}
	b, err := io.ReadAll(answer)
	return string(b), errors.Join(err, answer.Close())
}

var get = Request{Method: "get", Repeatable: true}

func says(text string) func(context.Context, int, io.Writer) error {
	return func(_ context.Context, _ int, w io.Writer) error {
		_, err := io.WriteString(w, text)
		return err
	}
}

// The server's wish is a minimum, so the second attempt is made after it, and a tenth of it at most.
func TestARetryWaitsAsTheServerAsks(t *testing.T) {
	on(t, func(t *site) {
		server := t.serve(func(_ context.Context, before int, w io.Writer) error {
			if before == 0 {
				return &StatusError{Status: Busy, Wait: 10 * time.Second, Text: "come back"}
			}
			_, err := io.WriteString(w, "done")
			return err
		})
		c := t.client(server.Addr(), retry.New(retry.Options{InitialInterval: -1, OverloadInterval: -1}))
		began := time.Now()
		got, err := ask(c, get)
		if took := time.Since(began); got != "done" || err != nil || took < 10*time.Second || took > 11*time.Second {
			t.Errorf("%q, %v after %v", got, err, took)
		}
	})
}

// A server that hangs opens the circuit, and is asked no more.
func TestABreakerLeavesAServerAlone(t *testing.T) {
	on(t, func(t *site) {
		var asked atomic.Int32
		server := t.serve(func(ctx context.Context, _ int, _ io.Writer) error {
			asked.Add(1)
			<-ctx.Done()
			return ctx.Err()
		})
		c := t.client(server.Addr(), breaker.New(breaker.Options{ConsecutiveFailures: 3, OpenDuration: time.Hour}), timeout.New(timeout.Options{Limit: time.Second}))
		for range 3 {
			if _, err := ask(c, get); !errors.As(err, new(*holdfast.TimeoutError)) {
				t.Errorf("a server that hangs: %v", err)
			}
		}
		if _, err := ask(c, get); !errors.Is(err, breaker.ErrOpen) || asked.Load() != 3 {
			t.Errorf("%v, and the server was asked %d times", err, asked.Load())
		}
	})
}

// The hedge's answer is read whole, and the attempt that lost holds nothing: its server has
// seen its client go.
func TestAHedgeWins(t *testing.T) {
	on(t, func(t *site) {
		var gone atomic.Bool
		server := t.serve(func(ctx context.Context, before int, w io.Writer) error {
			if before == 0 {
				<-ctx.Done()
				gone.Store(true)
				return ctx.Err()
			}
			return says("the second")(ctx, before, w)
		})
		c := t.client(server.Addr(), hedge.New(hedge.Options{Delay: 50 * time.Millisecond, Share: -1}))
		began := time.Now()
		got, err := ask(c, get)
		if took := time.Since(began); got != "the second" || err != nil || took != 50*time.Millisecond {
			t.Errorf("%q, %v after %v", got, err, took)
		}
		synctest.Wait()
		if !gone.Load() {
			t.Error("the first attempt goes on")
		}
	})
}

// Each attempt goes where the balancer sends it, and a repeat elsewhere.
func TestABalancerChoosesTheServer(t *testing.T) {
	on(t, func(t *site) {
		a, b := t.serve(says("a")), t.serve(says("b"))
		set := loadbalance.New(discovery.Static(a.Addr(), b.Addr()), loadbalance.RoundRobin, loadbalance.Options{})
		t.Cleanup(set.Close)
		c := t.client("letters", retry.New(retry.Options{InitialInterval: -1}), set)
		count := map[string]int{}
		for range 10 {
			got, err := ask(c, get)
			if err != nil {
				t.Fatal(err)
			}
			count[got]++
		}
		if count["a"] != 5 || count["b"] != 5 {
			t.Errorf("answers: %v", count)
		}
		a.Close()
		for range 10 {
			if got, err := ask(c, get); got != "b" || err != nil {
				t.Errorf("one of two servers is gone: %q, %v", got, err)
			}
		}
	})
}

// Nobody listens there: whatever the request is, no server has begun.
func TestWhatIsRefusedIsSentAgain(t *testing.T) {
	on(t, func(t *site) {
		attempts := 0
		c := t.client("nobody:1", retry.New(retry.Options{InitialInterval: -1}))
		c.beneath = func(context.Context) { attempts++ }
		_, err := ask(c, Request{Method: "put"})
		if !errors.As(err, new(*net.OpError)) || attempts != 3 {
			t.Errorf("%v after %d attempts", err, attempts)
		}
	})
}
