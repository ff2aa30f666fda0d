package grpcclient_test

import (
	"context"
	"errors"
	"io"
	"runtime"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/interceptors/grpcclient"
	"github.com/holdfast-go/holdfast/timeout"
)

// A scripted is a ClientStream from below that answers as it is told. Each
// letter of its script is what one receive comes to: 'm' a message, 'e' an error,
// 'w' a wait for the end of the context; after the last, and for any other, EOF.
type scripted struct {
	t      testing.TB
	ctx    context.Context
	script string
	sent   []string
	over   error // what ended it, which stays
}

func (s *scripted) Header() (metadata.MD, error) {
	if s.script == "" || s.script[0] == 'e' {
		return nil, nil
	}
	if s.script[0] == 'w' {
		<-s.ctx.Done()
		return nil, nil
	}
	return metadata.MD{}, nil
}
func (s *scripted) Trailer() metadata.MD { return metadata.MD{} }
func (s *scripted) CloseSend() error     { return nil }

func (s *scripted) Context() context.Context {
	if s.t != nil {
		s.t.Error("the door has called Context, which switches gRPC's own retry off")
	}
	return s.ctx
}

func (s *scripted) SendMsg(m any) error {
	s.sent = append(s.sent, m.(*message).GetValue())
	return nil
}

func (s *scripted) RecvMsg(m any) error {
	if s.over != nil {
		return s.over
	}
	switch {
	case s.ctx.Err() != nil:
		s.over = status.FromContextError(s.ctx.Err()).Err()
	case s.script == "":
		s.over = io.EOF
	case s.script[0] == 'm':
		s.script = s.script[1:]
		if m, ok := m.(*message); ok {
			m.Value = "message"
		}
	case s.script[0] == 'e':
		s.over = unavailable
	case s.script[0] == 'w':
		<-s.ctx.Done()
		s.over = status.FromContextError(s.ctx.Err()).Err()
	default:
		s.over = io.EOF
	}
	return s.over
}

// below makes streams of the scripts, one for each attempt; the last one again
// and again. 'x' is an attempt that gets no stream.
func below(t testing.TB, made *[]*scripted, scripts ...string) grpc.Streamer {
	var mu sync.Mutex
	return func(ctx context.Context, _ *grpc.StreamDesc, _ *grpc.ClientConn, _ string, _ ...grpc.CallOption) (grpc.ClientStream, error) {
		mu.Lock()
		defer mu.Unlock()
		s := &scripted{t: t, ctx: ctx, script: scripts[min(len(*made), len(scripts)-1)]}
		*made = append(*made, s)
		if s.script == "x" {
			return nil, unavailable
		}
		return s, nil
	}
}

// Nothing of the door's own calls Context of gRPC's stream, and every attempt's
// context is over when the call is.
func TestGRPCsStreamIsLeftAlone(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var made []*scripted
		stream, err := all.Stream(timeout.New(time.Hour), again(4), timeout.New(time.Minute))(t.Context(), listDesc, nil, list, below(t, &made, "x", "e", "w", "mm"))
		if err != nil {
			t.Fatal(err)
		}
		_ = stream.SendMsg(say("x"))
		if got, err := read(stream); len(got) != 2 || err != io.EOF {
			t.Errorf("%q, %v", got, err)
		}
		for i, s := range made {
			if s.ctx.Err() == nil {
				t.Errorf("attempt %d is not let go of", i+1)
			}
		}
		if len(made) != 4 {
			t.Errorf("%d attempts", len(made))
		}
	})
}

// A message that comes without a header, which an interceptor may make of it,
// is no silent loss.
func TestAMessageWithoutAHeaderIsNotLost(t *testing.T) {
	streamer := func(ctx context.Context, _ *grpc.StreamDesc, _ *grpc.ClientConn, _ string, _ ...grpc.CallOption) (grpc.ClientStream, error) {
		return headerless{&scripted{t: t, ctx: ctx, script: "mm"}}, nil
	}
	for _, begin := range []string{"Header", "RecvMsg"} {
		stream, _ := all.Stream()(t.Context(), listDesc, nil, list, streamer)
		_ = stream.SendMsg(say("x"))
		want := 0
		if begin == "RecvMsg" {
			want = 2
			_ = stream.RecvMsg(new(message))
			want--
		}
		_, _ = stream.Header()
		got, err := read(stream)
		if len(got) != want || (want == 0) != (status.Code(err) == codes.Internal) {
			t.Errorf("%s: %q, %v", begin, got, err)
		}
	}
}

type headerless struct{ *scripted }

func (headerless) Header() (metadata.MD, error) { return nil, nil }

// A panic from below reaches the caller, and nothing hangs or is held.
func TestPanicsFromBelow(t *testing.T) {
	var under context.Context
	for _, at := range []string{"NewStream", "RecvMsg"} {
		streamer := func(ctx context.Context, _ *grpc.StreamDesc, _ *grpc.ClientConn, _ string, _ ...grpc.CallOption) (grpc.ClientStream, error) {
			under = ctx
			if at == "NewStream" {
				panic(at)
			}
			return panics{&scripted{t: t, ctx: ctx}}, nil
		}
		stream, _ := all.Stream(again(3))(t.Context(), listDesc, nil, list, streamer)
		_ = stream.SendMsg(say("x"))
		func() {
			defer func() {
				if got := recover(); got != at {
					t.Errorf("recovered %v", got)
				}
			}()
			_ = stream.RecvMsg(new(message))
		}()
		if under.Err() == nil {
			t.Errorf("%s: the attempt's context is held", at)
		}
		if err := stream.RecvMsg(new(message)); status.Code(err) != codes.Internal {
			t.Errorf("%s: %v afterwards", at, err)
		}
	}
}

type panics struct{ *scripted }

func (panics) RecvMsg(any) error { panic("RecvMsg") }

// A policy that makes two attempts of a stream at once is told so.
func TestOverlappingAttemptsOfAStreamAreRefused(t *testing.T) {
	for _, desc := range []*grpc.StreamDesc{listDesc, chatDesc} {
		bubble(t, func(t *testing.T) {
			var second holdfast.Result
			hedge := holdfast.PolicyFunc(func(next holdfast.Handler) holdfast.Handler {
				return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
					var wg sync.WaitGroup
					wg.Go(func() {
						time.Sleep(time.Second)
						second = next(ctx, call.Again())
					})
					res := next(ctx, call)
					wg.Wait()
					return res
				}
			})
			streamer := func(ctx context.Context, _ *grpc.StreamDesc, _ *grpc.ClientConn, _ string, _ ...grpc.CallOption) (grpc.ClientStream, error) {
				time.Sleep(2 * time.Second)
				return &scripted{t: t, ctx: ctx, script: "m"}, nil
			}
			stream, err := all.Stream(hedge)(t.Context(), desc, nil, chat, streamer)
			if err != nil {
				t.Fatal(err)
			}
			_ = stream.SendMsg(say("x"))
			if got, err := read(stream); len(got) != 1 || err != io.EOF {
				t.Errorf("%q, %v", got, err)
			}
			if second.Err == nil || second.Class != holdfast.Ignored || second.After >= 0 {
				t.Errorf("the second attempt: %+v", second)
			}
		})
	}
}

// gRPC's own retry goes on working beneath a door that repeats nothing.
func TestGRPCsOwnRetryWorksBeneath(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := &service{native: true, get: failsFirst(2, unavailable), list: func(n int, _ string, ss grpc.ServerStream) error {
			if n < 6 {
				return unavailable
			}
			return ss.SendMsg(say("ok"))
		}}
		s.stream = func(n int, ss grpc.ServerStream) error {
			if n < 9 {
				return unavailable
			}
			return echoes(n, ss)
		}
		cc, stop := s.dial(t, append(through(grpcclient.Wrapper{}, again(3), timeout.New(time.Hour)),
			grpc.WithDefaultServiceConfig(`{"methodConfig":[{"name":[{}],"retryPolicy":{"maxAttempts":3,"initialBackoff":"1s","maxBackoff":"1s","backoffMultiplier":1,"retryableStatusCodes":["UNAVAILABLE"]}}]}`))...)
		defer stop()
		if err := cc.Invoke(t.Context(), get, say("x"), new(message)); err != nil {
			t.Errorf("unary: %v", err)
		}
		if got, err := read(lister(t, t.Context(), cc, "x")); len(got) != 1 {
			t.Errorf("server stream: %q, %v", got, err)
		}
		both, err := cc.NewStream(t.Context(), chatDesc, chat)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(both.SendMsg(say("chat")), both.RecvMsg(new(message)), both.CloseSend()); err != nil {
			t.Errorf("bidi: %v", err)
		}
		if got, err := read(both); len(got) != 1 {
			t.Errorf("bidi: %q, %v", got, err)
		}
		if s.calls.Load() != 9 {
			t.Errorf("%d calls, want 9", s.calls.Load())
		}
	})
}

// T88: after a thousand calls of each kind there are as many goroutines and heap
// objects as before.
func TestT88_NothingIsLeftBehind(t *testing.T) {
	s := &service{get: func(_ context.Context, n int, _ string) (string, error) {
		if n%3 == 0 {
			return "", unavailable
		}
		return "ok", nil
	}, list: func(n int, _ string, ss grpc.ServerStream) error {
		if n%3 == 0 {
			return unavailable
		}
		return sends(nil, "a", "b")(n, "", ss)
	}, stream: echoes}
	cc, stop := s.dial(t, through(all, timeout.New(time.Minute), again(3), timeout.New(10*time.Second))...)
	defer stop()
	calls := func(n int) {
		for i := range n {
			ctx, cancel := context.WithCancel(t.Context())
			if err := cc.Invoke(ctx, get, say("x"), new(message)); err != nil {
				t.Error(err)
			}
			stream := lister(t, ctx, cc, "x")
			if i%2 == 0 {
				if _, err := read(stream); err != io.EOF {
					t.Error(err)
				}
			} else if err := stream.RecvMsg(new(message)); err != nil {
				t.Error(err) // and it is abandoned, with its context
			}
			both, err := cc.NewStream(ctx, chatDesc, chat)
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(both.SendMsg(say("chat")), both.RecvMsg(new(message))); err != nil {
				t.Error(err)
			}
			cancel()
		}
	}
	count := func() (goroutines int, objects uint64) {
		for range 3 { // what is freed by one is found by the next
			runtime.GC()
		}
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return runtime.NumGoroutine(), m.HeapObjects
	}
	calls(100)
	s.seen.Clear()
	goroutines, objects := count()
	calls(1000)
	s.seen.Clear()
	for end := time.Now().Add(10 * time.Second); ; runtime.Gosched() { // the last streams end on gRPC's goroutines
		g, o := count()
		if g <= goroutines+2 && o <= objects+1000 {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%d goroutines and %d objects, from %d and %d", g, o, goroutines, objects)
		}
	}
}

// Over a real connection, as it is used.
func TestOverTCP(t *testing.T) {
	s := &service{get: failsFirst(2, unavailable), stream: echoes, list: func(n int, _ string, ss grpc.ServerStream) error {
		if n < 6 {
			return unavailable
		}
		return sends(nil, "a", "b")(n, "", ss)
	}}
	cc, stop := s.dialTCP(t, through(all, timeout.New(time.Minute), again(3), timeout.New(10*time.Second))...)
	out := new(message)
	if err := cc.Invoke(t.Context(), get, say("x"), out); err != nil || out.GetValue() != "ok" {
		t.Errorf("unary: %q, %v", out.GetValue(), err)
	}
	if got, err := read(lister(t, t.Context(), cc, "x")); len(got) != 2 || err != io.EOF {
		t.Errorf("server stream: %q, %v", got, err)
	}
	stop()
	if err := cc.Invoke(t.Context(), get, say("x"), out); status.Code(err) != codes.Canceled {
		t.Errorf("on a closed connection: %v", err)
	}
	_, err := read(lister(t, t.Context(), cc, "x"))
	if status.Code(err) != codes.Canceled {
		t.Errorf("on a closed connection: %v", err)
	}
}

// A unary call that succeeds costs one allocation, its record included.
func TestTheCostOfAUnaryCall(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	pass := holdfast.PolicyFunc(func(next holdfast.Handler) holdfast.Handler {
		return func(ctx context.Context, call *holdfast.Call) holdfast.Result { return next(ctx, call) }
	})
	ctx, in, out, opts, invoker := t.Context(), say("x"), new(message), []grpc.CallOption{grpc.WaitForReady(true)}, returning(nil)
	call := grpcclient.Unary(pass)
	if got := testing.AllocsPerRun(1000, func() { _ = call(ctx, get, in, out, nil, invoker, opts...) }); got > 1 {
		t.Errorf("%v allocations, want 1", got)
	}
}

func BenchmarkUnary(b *testing.B) {
	ctx, in, out := b.Context(), say("x"), new(message)
	invoker := returning(nil)
	for name, policies := range map[string][]holdfast.Policy{"bare": nil, "retry+timeout": {timeout.New(time.Minute), again(3), timeout.New(10 * time.Second)}} {
		call := all.Unary(policies...)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_ = call(ctx, get, in, out, nil, invoker)
			}
		})
	}
}
