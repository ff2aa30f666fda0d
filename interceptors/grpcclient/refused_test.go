package grpcclient_test

import (
	"context"
	"fmt"
	"slices"
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

// gRPC repeats a refused stream once by itself, unseen by interceptors; refused
// again, it comes out as UNAVAILABLE, and is harmless to repeat all the same.
func TestR14_RefusedStreamsAreCountedAndRepeated(t *testing.T) {
	for n, want := range map[int][]grpcclient.WireAttempt{
		0: {{Attempt: 1, Code: "OK"}},
		1: {{Attempt: 1, Code: "UNAVAILABLE"}, {Attempt: 1, Transparent: true, Code: "OK"}},
		2: {{Attempt: 1, Code: "UNAVAILABLE"}, {Attempt: 1, Transparent: true, Code: "UNAVAILABLE"}, {Attempt: 2, Code: "OK"}},
	} {
		addr, _ := wired(t, false, refuses(n))
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
		cc := dialed(t, addr, append(grpcclient.DialOptions(listens, again(3), p), note)...)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		err := cc.Invoke(ctx, get, say("x"), new(message))
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

// Whether the server has sent something on a stream that it refused is known of streams,
// of hedges and beneath our balancer. Of other unary calls it is not, so that the first
// refusal is not believed; from then on the header is asked for, and they are. (A
// stats.Handler knows it too: see above.)
func TestARefusalIsBelievedOnceItCanBe(t *testing.T) {
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
		"unary":         {unary, nil, []bool{false, true, true}},
		"stream":        {stream, nil, []bool{true, true}},
		"our balancer":  {unary, []grpc.DialOption{balanced}, []bool{true, true}},
		"with a header": {unary, []grpc.DialOption{grpc.WithDefaultCallOptions(grpc.Header(new(metadata.MD)))}, []bool{false, true}},
	} {
		addr, requests := wired(t, false, refuses(2))
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

// The header costs a call that succeeds, so it is asked for only for a minute after a
// refusal that could not be believed, and not for what is repeatable anyway.
func TestTheHeaderIsAskedForOnlyWhereItMatters(t *testing.T) {
	bubble(t, func(t *testing.T) {
		refused := status.Error(codes.Unavailable, forgeries[0])
		asked := false
		invoke := func(err error) grpc.UnaryInvoker {
			return func(_ context.Context, _ string, _, _ any, _ *grpc.ClientConn, opts ...grpc.CallOption) error {
				asked = false
				for _, o := range opts {
					switch o := o.(type) {
					case grpc.HeaderCallOption:
						asked = true
					case grpc.PeerCallOption:
						o.PeerAddr.Addr = nil // there was a connection, though not to an address
					}
				}
				return err
			}
		}
		w := grpcclient.Wrapper{Repeatable: func(method string) bool { return method == get }}
		p := &probe{}
		call := w.Unary(p)
		for i, c := range []struct {
			method string
			err    error
			wait   time.Duration
			asked  bool
		}{
			{put, nil, 0, false}, {put, unavailable, 0, false}, {put, nil, 0, false}, {get, refused, 0, false}, {put, nil, 0, false},
			{put, refused, 0, false}, {put, nil, 0, true}, {get, nil, 59 * time.Second, false}, {put, nil, 0, true}, {put, nil, time.Second, false},
		} {
			pass(c.wait)
			if _ = call(t.Context(), c.method, say("x"), new(message), nil, invoke(c.err)); asked != c.asked {
				t.Errorf("call %d: asked for %v", i, asked)
			}
			if res := p.results[i]; c.err != nil && res.Class != holdfast.Failure {
				t.Errorf("call %d: %v", i, res.Class)
			}
		}
	})
}
