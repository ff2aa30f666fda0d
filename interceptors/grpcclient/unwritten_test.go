package grpcclient_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"

	"github.com/holdfast-go/holdfast/interceptors/grpcclient"
)

// A gated connection, once it is shut, holds up its writes until it breaks, and has them fail
// without a byte written.
type gated struct {
	net.Conn
	mu   sync.Mutex
	shut chan struct{} // nil: it is open
	in   chan struct{} // a write has come
}

func (g *gated) Write(b []byte) (int, error) {
	g.mu.Lock()
	shut, in := g.shut, g.in
	g.mu.Unlock()
	if shut == nil {
		return g.Conn.Write(b)
	}
	select {
	case in <- struct{}{}:
	default:
	}
	<-shut
	_ = g.Conn.Close()
	return 0, errors.New("broken pipe")
}

// A call that was yet to be written when its connection broke was begun by nobody: it is sent
// again, whatever it is, as by a bare client.
func TestWhatWasYetToBeWrittenIsSentAgain(t *testing.T) {
	for i := range 4 {
		bare, stream := i&1 != 0, i&2 != 0
		t.Run(fmt.Sprintf("bare %v, stream %v", bare, stream), func(t *testing.T) {
			addr, requests := wired(t, true, func(w *wire) error { return w.answer() })
			var first atomic.Pointer[gated]
			opts := []grpc.DialOption{grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
				c, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
				if err != nil {
					return nil, err
				}
				g := &gated{Conn: c}
				first.CompareAndSwap(nil, g)
				return g, nil
			})}
			if !bare {
				opts = append(opts, grpcclient.DialOptions(again(3))...)
			}
			cc := dialed(t, addr, opts...)
			call := func() error {
				if !stream {
					return cc.Invoke(t.Context(), get, say("x"), new(message))
				}
				if _, err := read(lister(t, t.Context(), cc, "x")); err != io.EOF {
					return err
				}
				return nil
			}
			if err := call(); err != nil {
				t.Fatal(err)
			}
			requests.Store(0)
			shut, in := make(chan struct{}), make(chan struct{}, 1)
			g := first.Load()
			g.mu.Lock()
			g.shut, g.in = shut, in
			g.mu.Unlock()
			var wg sync.WaitGroup
			errs := make([]error, 5)
			for i := range errs {
				wg.Go(func() { errs[i] = call() })
				if i == 0 {
					<-in // the first is being written, and may have arrived
				}
			}
			<-time.After(100 * time.Millisecond) // the others wait for their turn
			close(shut)
			wg.Wait()
			served := 0
			for _, err := range errs {
				if err == nil {
					served++
				}
			}
			if served < 3 || int(requests.Load()) != served { // what was in the same write as the first has failed too
				t.Errorf("%v; %d were executed", errs, requests.Load())
			}
		})
	}
}
