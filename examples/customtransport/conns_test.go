package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

// A connection whose answer was read to its end, or has nothing to read, serves the next request; one whose answer
// nobody reads is closed, which the server sees.
func TestConnectionsAreKeptOrClosed(t *testing.T) {
	on(t, func(t *site) {
		var gone atomic.Int32
		server := t.serve(func(ctx context.Context, before int, w io.Writer) error {
			switch before {
			case 0:
				return &StatusError{Status: NotFound}
			case 1, 2:
				return says("short")(ctx, before, w)
			}
			_, _ = io.WriteString(w, "begun")
			<-ctx.Done()
			gone.Add(1)
			return ctx.Err()
		})
		c := t.client(server.Addr())
		dials, dial := 0, c.conns.dial
		c.conns.dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
			dials++
			return dial(ctx, network, addr)
		}
		if _, err := ask(c, get); !errors.As(err, new(*StatusError)) {
			t.Error(err)
		}
		for range 2 {
			if got, err := ask(c, get); got != "short" || err != nil {
				t.Fatal(got, err)
			}
		}
		answer, err := c.Ask(t.Context(), get)
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Close()
		synctest.Wait()
		if dials != 1 || gone.Load() != 1 || len(c.conns.idle) != 0 {
			t.Errorf("%d dials, %d clients gone, %d connections kept", dials, gone.Load(), len(c.conns.idle))
		}
	})
}

// A frame says how long it is, and is not believed beyond what a frame may have.
func TestAFrameHasABound(t *testing.T) {
	b := frame{1, goesOn, nil}.bytes()
	binary.BigEndian.PutUint32(b, maxFrame+1)
	if _, err := readFrame(bufio.NewReader(strings.NewReader(string(b)))); !errors.Is(err, errProtocol) {
		t.Error(err)
	}
	if _, err := readFrame(bufio.NewReader(strings.NewReader(strings.Repeat("x", header-1)))); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Error(err)
	}
}
