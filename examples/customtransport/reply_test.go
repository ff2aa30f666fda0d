package main

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"

	"github.com/holdfast-go/holdfast"
)

// An answer that is closed when its caller has gone ends as that, and not well.
func TestClosingAfterACancelIsNoSuccess(t *testing.T) {
	on(t, func(t *site) {
		seen := new(spy)
		server := t.serve(func(ctx context.Context, _ int, w io.Writer) error {
			_, _ = io.WriteString(w, "begun")
			<-ctx.Done()
			return ctx.Err()
		})
		ctx, cancel := context.WithCancel(t.Context())
		answer, err := t.client(server.Addr(), seen).Ask(ctx, get)
		if err != nil {
			t.Fatal(err)
		}
		cancel()
		_ = answer.Close()
		if len(seen.ends) != 1 || seen.ends[0].Class != holdfast.Ignored || !errors.Is(seen.ends[0].Err, context.Canceled) {
			t.Errorf("it ended as %+v", seen.ends)
		}
	})
}

// A late is a connection whose caller goes as the answer arrives.
type late struct {
	net.Conn
	leave func()
}

func (c late) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.leave()
	return n, err
}

// An answer that begins as its context ends cannot be read: policies must not take it for one.
func TestAnAnswerThatComesTooLateIsNone(t *testing.T) {
	on(t, func(t *site) {
		ctx, cancel := context.WithCancel(t.Context())
		seen := new(spy)
		c := t.client(t.serve(says("x")).Addr(), seen)
		dial := c.conns.dial
		c.conns.dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
			nc, err := dial(ctx, network, addr)
			return late{nc, cancel}, err
		}
		if _, err := c.Ask(ctx, get); !errors.Is(err, context.Canceled) || seen.last() != "ignored cancelled 0s" {
			t.Errorf("%v, %s", err, seen.last())
		}
	})
}
