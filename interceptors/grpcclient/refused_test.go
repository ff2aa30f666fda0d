package grpcclient_test

import (
	"bytes"
	"io"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"context"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/interceptors/grpcclient"
	"github.com/holdfast-go/holdfast/observe"
)

// refuses serves HTTP/2 that refuses the first n streams and answers the others
// with an empty message.
func refuses(t *testing.T, n int) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer func() { _ = conn.Close() }()
				serveRefusing(conn, &n)
			})
		}
	})
	t.Cleanup(func() { _ = l.Close(); wg.Wait() })
	return l.Addr().String()
}

func serveRefusing(conn net.Conn, n *int) {
	if _, err := io.ReadFull(conn, make([]byte, len(http2.ClientPreface))); err != nil {
		return
	}
	f := http2.NewFramer(conn, conn)
	if f.WriteSettings() != nil {
		return
	}
	for {
		frame, err := f.ReadFrame()
		if err != nil {
			return
		}
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
			if *n--; *n >= 0 {
				err = f.WriteRSTStream(frame.StreamID, http2.ErrCodeRefusedStream)
				break
			}
			err = answerEmpty(f, frame.StreamID)
		}
		if err != nil {
			return
		}
	}
}

func answerEmpty(f *http2.Framer, id uint32) error {
	var block bytes.Buffer
	h := hpack.NewEncoder(&block)
	write := func(fields ...string) []byte {
		block.Reset()
		for i := 0; i < len(fields); i += 2 {
			_ = h.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]})
		}
		return block.Bytes()
	}
	if err := f.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: write(":status", "200", "content-type", "application/grpc"), EndHeaders: true}); err != nil {
		return err
	}
	if err := f.WriteData(id, false, make([]byte, 5)); err != nil {
		return err
	}
	return f.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: write("grpc-status", "0"), EndHeaders: true, EndStream: true})
}

// gRPC repeats a refused stream once by itself, unseen by interceptors; refused
// again, it comes out as UNAVAILABLE, and is harmless to repeat all the same.
func TestR14_RefusedStreamsAreCountedAndRepeated(t *testing.T) {
	for n, want := range map[int][]grpcclient.WireAttempt{
		0: {{Attempt: 1, Code: "OK"}},
		1: {{Attempt: 1, Code: "UNAVAILABLE"}, {Attempt: 1, Transparent: true, Code: "OK"}},
		2: {{Attempt: 1, Code: "UNAVAILABLE"}, {Attempt: 1, Transparent: true, Code: "UNAVAILABLE"}, {Attempt: 2, Code: "OK"}},
	} {
		addr := refuses(t, n)
		var mu sync.Mutex
		var told []grpcclient.WireAttempt
		note := grpcclient.WireAttempts(func(_ context.Context, a grpcclient.WireAttempt) {
			mu.Lock()
			defer mu.Unlock()
			if a.Backend != addr || a.Method != get {
				t.Errorf("%+v, want one of %s at %s", a, get, addr)
			}
			a.Backend, a.Method = "", ""
			told = append(told, a)
		})
		p := &probe{}
		replays := 0
		listens := observe.New(observe.Options{Event: func(_ context.Context, e holdfast.Event) {
			mu.Lock()
			defer mu.Unlock()
			if e.Kind() == "replay" {
				replays++
			}
		}})
		cc, err := grpc.NewClient("passthrough:///"+addr, append(grpcclient.DialOptions(listens, again(3), p), note, grpc.WithTransportCredentials(insecure.NewCredentials()))...)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		err = cc.Invoke(ctx, get, say("x"), new(message))
		cancel()
		_ = cc.Close()
		mu.Lock()
		if err != nil || !slices.Equal(told, want) {
			t.Errorf("%d refused: %v, told of %+v, want %+v", n, err, told, want)
		}
		if replays != min(n, 1) { // R14
			t.Errorf("%d refused: told of %d replays", n, replays)
		}
		mu.Unlock()
		if n == 2 && p.results[0].Class != holdfast.Refused {
			t.Errorf("refused twice is %v", p.results[0].Class)
		}
	}
}
