package main

import (
	"context"
	"io"
	"net"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/retry"
)

// A full is a connection that takes half of what is written, and breaks.
type full struct{ net.Conn }

func (c full) Write(p []byte) (int, error) {
	n, _ := c.Conn.Write(p[:len(p)/2])
	_ = c.Close()
	return n, &net.OpError{Op: "write", Err: syscall.ECONNRESET}
}

// Half a request is none: whatever it is, it may be sent again.
func TestAnUnwrittenRequestIsRefused(t *testing.T) {
	on(t, func(t *site) {
		executed, seen := 0, new(spy)
		server := t.serve(func(context.Context, int, io.Writer) error { executed++; return nil })
		c := t.client(server.Addr(), retry.New(retry.Options{InitialInterval: -1}), seen)
		dial := c.conns.dial
		c.conns.dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
			nc, err := dial(ctx, network, addr)
			if len(seen.results) == 0 {
				return full{nc}, err
			}
			return nc, err
		}
		_, err := ask(c, Request{Method: "put"})
		if first := seen.results[0]; err != nil || executed != 1 || first.Class != holdfast.Refused || first.Code != holdfast.CodeReset {
			t.Errorf("%v, executed %d times, the first attempt was %v %s", err, executed, first.Class, first.Code)
		}
	})
}

// A request that went out into a kept connection may have been acted upon, though the server
// had closed it meanwhile, as far as anybody can tell: what is not Repeatable is sent once.
func TestWhatIsNotRepeatableIsExecutedOnce(t *testing.T) {
	for repeatable, want := range map[bool]int32{false: 1, true: 2} {
		on(t, func(t *site) {
			var executed atomic.Int32
			server := t.serve(func(_ context.Context, before int, w io.Writer) error {
				if before == 0 {
					return says("hello")(context.Background(), 0, w)
				}
				if executed.Add(1) == 1 {
					return errBroken
				}
				return nil
			})
			c := t.client(server.Addr(), retry.New(retry.Options{InitialInterval: -1}))
			if _, err := ask(c, get); err != nil {
				t.Fatal(err)
			}
			_, err := ask(c, Request{Method: "put", Repeatable: repeatable})
			if got := executed.Load(); got != want || repeatable != (err == nil) {
				t.Errorf("repeatable %v: executed %d times, want %d: %v", repeatable, got, want, err)
			}
		})
	}
}
