package grpcclient_test

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/interceptors/grpcclient"
	"github.com/holdfast-go/holdfast/observe"
)

// refuses refuses the first n streams and answers the others with an empty message.
func refuses(n int) func(w *wire) error {
	return func(w *wire) error {
		if int(w.n) <= n {
			return w.reset(http2.ErrCodeRefusedStream)
		}
		return w.answer()
	}
}

// A refused stream is sent once more, unseen by policies; refused again, it comes out as
// UNAVAILABLE, and is harmless to repeat all the same.
func TestR14_RefusedStreamsAreCountedAndRepeated(t *testing.T) {
	for n, want := range map[int][]holdfast.Event{
		0: {{Attempt: 1, Code: "OK"}},
		1: {{Attempt: 1, Code: "UNAVAILABLE"}, {Attempt: 1, Reason: "transparent", Code: "OK"}},
		2: {{Attempt: 1, Code: "UNAVAILABLE"}, {Attempt: 1, Reason: "transparent", Code: "UNAVAILABLE"}, {Attempt: 2, Code: "OK"}},
	} {
		addr, _ := wired(t, true, refuses(n))
		var mu sync.Mutex
		var told []holdfast.Event
		note := grpcclient.WireAttempts(func(_ context.Context, e holdfast.Event) {
			mu.Lock()
			defer mu.Unlock()
			if e.Kind != "wire_attempt" || e.Level != slog.LevelDebug || e.Policy != "transport" || e.Endpoint != addr || e.Method != get || !strings.HasSuffix(e.Target, addr) {
				t.Errorf("%+v, want one of %s at %s", e, get, addr)
			}
			told = append(told, holdfast.Event{Attempt: e.Attempt, Code: e.Code, Reason: e.Reason, Attrs: e.Attrs})
		})
		p := &probe{}
		replays := 0
		listens := observe.New(observe.Options{Event: func(_ context.Context, e holdfast.Event) {
			mu.Lock()
			defer mu.Unlock()
			if e.Kind == "replay" {
				if e.Policy != "transport" || e.Level != slog.LevelDebug || e.Method != get || e.Attempt != 1 {
					t.Errorf("%+v", e)
				}
				replays++
			}
		}})
		cc := dialed(t, addr, append(grpcclient.DialOptions(listens, again(3), p), note)...)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		err := cc.Invoke(ctx, get, say("x"), new(message))
		cancel()
		_ = cc.Close()
		mu.Lock()
		if err != nil || fmt.Sprint(told) != fmt.Sprint(want) {
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

// Whether the server has sent something on a stream that it refused is known of streams, and of
// unary calls that are not repeatable.
func TestARefusalIsBelievedWhereItCanBe(t *testing.T) {
	unary := func(ctx context.Context, cc *grpc.ClientConn) error {
		return cc.Invoke(ctx, get, say("x"), new(message))
	}
	stream := func(ctx context.Context, cc *grpc.ClientConn) error {
		s, err := cc.NewStream(ctx, listDesc, list)
		if err == nil {
			err = s.SendMsg(say("x"))
		}
		if err == nil {
			err = s.RecvMsg(new(message))
		}
		return err
	}
	balanced := grpc.WithDefaultServiceConfig(inTurn)
	for name, c := range map[string]struct {
		call    func(ctx context.Context, cc *grpc.ClientConn) error
		opts    []grpc.DialOption
		believe []bool // of one call after the other
	}{
		"unary":         {unary, nil, []bool{true, true}},
		"stream":        {stream, nil, []bool{true, true}},
		"our balancer":  {unary, []grpc.DialOption{balanced}, []bool{true, true}},
		"with a header": {unary, []grpc.DialOption{grpc.WithDefaultCallOptions(grpc.Header(new(metadata.MD)))}, []bool{true, true}},
	} {
		addr, requests := wired(t, true, refuses(2))
		p := &probe{}
		cc := dialed(t, addr, append(c.opts, grpcclient.DialOptions(again(2), p)...)...)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		for i, believed := range c.believe {
			requests.Store(0)
			p.results = nil
			err := c.call(ctx, cc)
			got := holdfast.Result{Class: p.results[0].Class, Code: p.results[0].Code}
			want := holdfast.Result{Class: holdfast.Failure, Code: "UNAVAILABLE"}
			if believed {
				want.Class = holdfast.Refused
			}
			if got != want || (err == nil) != believed {
				t.Errorf("%s, call %d: %v, %+v, want %+v", name, i+1, err, got, want)
			}
		}
		cancel()
	}
}

// What a server says in the words of gRPC is not believed, whatever it sends before: it
// is its Failure, and is repeated only where that does no harm.
func TestForgedRefusalsAreFailures(t *testing.T) {
	for _, words := range forgeries {
		for i := range 4 {
			flush, watched := i%2 == 1, i > 1
			bubble(t, func(t *testing.T) {
				answer := func(ctx context.Context) error {
					if flush {
						_ = grpc.SendHeader(ctx, metadata.Pairs("a", "b"))
					}
					return status.Error(codes.Unavailable, words)
				}
				s := &service{
					get:  func(ctx context.Context, _ int, _ string) (string, error) { return "", answer(ctx) },
					list: func(_ int, _ string, ss grpc.ServerStream) error { return answer(ss.Context()) },
				}
				p := &probe{}
				opts := through(grpcclient.Wrapper{}, again(3), p)
				if watched {
					opts = append(opts, grpcclient.WireAttempts(nil))
				}
				cc, stop := s.dial(t, opts...)
				defer stop()
				for kind, call := range map[string]func() error{
					"unary":  func() error { return cc.Invoke(t.Context(), get, say("x"), new(message)) },
					"stream": func() error { _, err := read(lister(t, t.Context(), cc, "x")); return err },
				} {
					for range 2 {
						p.results = nil
						s.calls.Store(0)
						err := call()
						if s.calls.Load() != 1 || len(p.results) != 1 || p.results[0].Class != holdfast.Failure || p.results[0].Code != "UNAVAILABLE" || status.Convert(err).Message() != words {
							t.Errorf("%s, header %v: %v after %d calls, %s", kind, flush, err, s.calls.Load(), fmt.Sprint(p.results))
						}
					}
				}
			})
		}
	}
}

// The header costs a call that succeeds, so it is asked for only where a refusal must be told from
// an answer that says so: for what is not repeatable. There gRPC is kept from sending anything again.
func TestTheHeaderIsAskedForOnlyWhereItMatters(t *testing.T) {
	asked := map[string]bool{}
	invoke := func(_ context.Context, method string, _, _ any, _ *grpc.ClientConn, opts ...grpc.CallOption) error {
		for _, o := range opts {
			switch o := o.(type) {
			case grpc.HeaderCallOption:
				asked[method+" header"] = true
			case grpc.MaxRetryRPCBufferSizeCallOption:
				asked[method+" once"] = o.MaxRetryRPCBufferSize == 0
			}
		}
		return nil
	}
	for _, native := range []bool{false, true} {
		clear(asked)
		w := grpcclient.Wrapper{Repeatable: func(method string) bool { return method == get }, NoNativeRetry: !native}
		call := w.Unary()
		for _, method := range []string{get, put} {
			_ = call(t.Context(), method, say("x"), new(message), nil, invoke)
		}
		want := map[string]bool{put + " header": true, put + " once": true}
		if native { // its own retries are its own matter
			delete(want, put+" once")
		}
		if !maps.Equal(asked, want) {
			t.Errorf("gRPC's own retry is on: %v: asked for %v, want %v", native, asked, want)
		}
	}
}
