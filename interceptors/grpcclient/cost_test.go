package grpcclient_test

import (
	"context"
	"errors"
	"io"
	"runtime"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/interceptors/grpcclient"
	"github.com/holdfast-go/holdfast/timeout"
)

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
	cc, stop := s.dial(t, through(all, timeout.New(timeout.Options{Limit: time.Minute}), again(3), timeout.New(timeout.Options{Limit: 10 * time.Second}))...)
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
	cc, stop := s.dialTCP(t, through(all, timeout.New(timeout.Options{Limit: time.Minute}), again(3), timeout.New(timeout.Options{Limit: 10 * time.Second}))...)
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
		t.Skip("the race detector allocates; the ordinary run measures")
	}
	pass := holdfast.PolicyFunc(func(next holdfast.Handler) holdfast.Handler {
		return func(ctx context.Context, call *holdfast.Call) holdfast.Result { return next(ctx, call) }
	})
	ctx, in, out, opts, invoker := t.Context(), say("x"), new(message), []grpc.CallOption{grpc.WaitForReady(true)}, returning(nil)
	call := grpcclient.Wrapper{}.Unary(pass)
	if got := testing.AllocsPerRun(1000, func() { _ = call(ctx, get, in, out, nil, invoker, opts...) }); got > 1 {
		t.Errorf("%v allocations, want 1", got)
	}
}

func BenchmarkUnary(b *testing.B) {
	ctx, in, out := b.Context(), say("x"), new(message)
	invoker := returning(nil)
	for name, policies := range map[string][]holdfast.Policy{"bare": nil, "retry+timeout": {timeout.New(timeout.Options{Limit: time.Minute}), again(3), timeout.New(timeout.Options{Limit: 10 * time.Second})}} {
		call := all.Unary(policies...)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_ = call(ctx, get, in, out, nil, invoker)
			}
		})
	}
}
