package grpcclient_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// A wire is one stream of a server that speaks HTTP/2 by hand, to break it where a real
// one would not.
type wire struct {
	*http2.Framer
	conn net.Conn
	id   uint32
	n    int32 // the streams so far
}

// errCut ends the connection.
var errCut = errors.New("cut")

// head sends HEADERS with the fields, name and value in turn.
func (w *wire) head(end bool, fields ...string) error {
	var block bytes.Buffer
	h := hpack.NewEncoder(&block)
	for i := 0; i < len(fields); i += 2 {
		_ = h.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]})
	}
	return w.WriteHeaders(http2.HeadersFrameParam{StreamID: w.id, BlockFragment: block.Bytes(), EndHeaders: true, EndStream: end})
}

// begin sends the header of an answer.
func (w *wire) begin() error {
	return w.head(false, ":status", "200", "content-type", "application/grpc")
}

// fail sends a status as an answer of its own ("Trailers-Only").
func (w *wire) fail(code, message string) error {
	return w.head(true, ":status", "200", "content-type", "application/grpc", "grpc-status", code, "grpc-message", message)
}

// answer sends an empty message.
func (w *wire) answer() error {
	return errors.Join(w.begin(), w.WriteData(w.id, false, make([]byte, 5)), w.head(true, "grpc-status", "0"))
}

func (w *wire) reset(code http2.ErrCode) error { return w.WriteRSTStream(w.id, code) }

// wired serves by hand: act is called for each request, when its header is there, or all
// of it. It returns the address, and how many requests there were.
func wired(tb testing.TB, whole bool, act func(w *wire) error) (addr string, requests *atomic.Int32) {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	requests = new(atomic.Int32)
	var wg sync.WaitGroup
	var mu sync.Mutex
	open := map[net.Conn]bool{}
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open[conn] = true
			mu.Unlock()
			wg.Go(func() {
				defer func() { _ = conn.Close() }()
				_ = serveWire(conn, whole, requests, act)
			})
		}
	})
	tb.Cleanup(func() {
		_ = l.Close()
		mu.Lock()
		for conn := range open {
			_ = conn.Close()
		}
		mu.Unlock()
		wg.Wait()
	})
	return l.Addr().String(), requests
}

func serveWire(conn net.Conn, whole bool, requests *atomic.Int32, act func(w *wire) error) error {
	if _, err := io.ReadFull(conn, make([]byte, len(http2.ClientPreface))); err != nil {
		return err
	}
	f := http2.NewFramer(conn, conn)
	if err := f.WriteSettings(); err != nil {
		return err
	}
	for {
		frame, err := f.ReadFrame()
		if err != nil {
			return err
		}
		w := &wire{Framer: f, conn: conn, id: frame.Header().StreamID}
		switch frame := frame.(type) {
		case *http2.SettingsFrame:
			if !frame.IsAck() {
				err = f.WriteSettingsAck()
			}
		case *http2.PingFrame:
			if !frame.IsAck() {
				err = f.WritePing(true, frame.Data)
			}
		case *http2.HeadersFrame:
			if w.n = requests.Add(1); !whole {
				err = act(w)
			}
		case *http2.DataFrame:
			if w.n = requests.Load(); whole && frame.StreamEnded() {
				err = act(w)
			}
		}
		if err != nil {
			return err
		}
	}
}

// dialed is a connection to the address.
func dialed(tb testing.TB, addr string, opts ...grpc.DialOption) *grpc.ClientConn {
	tb.Helper()
	cc, err := grpc.NewClient("passthrough:///"+addr, append(opts, grpc.WithTransportCredentials(insecure.NewCredentials()))...)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = cc.Close() })
	return cc
}
