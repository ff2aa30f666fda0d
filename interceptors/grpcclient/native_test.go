package grpcclient_test

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/hedge"
	"github.com/holdfast-go/holdfast/interceptors/grpcclient"
)

const nativePolicy = `{"methodConfig": [{"name": [{"service": "test.Service"}], "retryPolicy": {
	"maxAttempts": 3, "initialBackoff": "0.01s", "maxBackoff": "0.01s", "backoffMultiplier": 1, "retryableStatusCodes": ["UNAVAILABLE"]}}]}`

func TestT69_AttemptsDoNotMultiplyWithNativeRetry(t *testing.T) {
	for name, c := range map[string]struct {
		native bool // gRPC's own retry is on
		says   bool // and the door is told that it is not
		calls  int32
		told   int
	}{
		"detected":     {true, false, 3, 1},
		"switched off": {false, true, 3, 0},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				var told []string
				door := all
				door.NoNativeRetry = c.says
				door.OnNativeRetry = func(_ context.Context, e holdfast.Event) {
					if e.Kind != "native_retry" || e.Policy != "transport" || e.Target == "" {
						t.Errorf("%+v", e)
					}
					told = append(told, e.Method)
				}
				s := &service{native: c.native, get: failsFirst(100, unavailable), list: func(int, string, grpc.ServerStream) error { return unavailable }}
				cc, stop := s.dial(t, append(through(door, again(3)), grpc.WithDefaultServiceConfig(nativePolicy))...)
				defer stop()
				for range 2 {
					s.calls.Store(0)
					err := cc.Invoke(t.Context(), get, say("x"), new(message))
					if status.Code(err) != codes.Unavailable || s.calls.Load() != c.calls {
						t.Errorf("unary: %d calls: %v, want %d", s.calls.Load(), err, c.calls)
					}
				}
				if len(told) != c.told {
					t.Errorf("told of %v, want %d", told, c.told)
				}
				s.calls.Store(0)
				if _, err := read(lister(t, t.Context(), cc, "x")); status.Code(err) != codes.Unavailable || s.calls.Load() != c.calls {
					t.Errorf("stream: %d calls: %v, want %d", s.calls.Load(), err, c.calls)
				}
			})
		})
	}
}

// Names of methods that a caller makes up take bounded memory, however long they are, and what is
// known of others stays known.
func TestMadeUpMethodsAreToldOfOnce(t *testing.T) {
	s := &service{native: true, get: failsFirst(1, unavailable)}
	everything := strings.ReplaceAll(nativePolicy, `{"service": "test.Service"}`, `{}`)
	cc, stop := s.dial(t, grpc.WithDefaultServiceConfig(everything))
	defer stop()
	if err := cc.Invoke(t.Context(), get, say("x"), new(message)); err != nil { // the config is there then
		t.Fatal(err)
	}
	told := map[string]int{}
	door := grpcclient.Wrapper{OnNativeRetry: func(_ context.Context, e holdfast.Event) { told[e.Method]++ }}
	failing := door.Unary()
	call := func(method string) { _ = failing(t.Context(), method, nil, nil, cc, returning(unavailable)) }
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	call(get)
	before := heap()
	long := strings.Repeat("x", 64<<10)
	for i := range 2000 {
		if i < 1500 {
			call(fmt.Sprintf("/%s/%d", long, i))
		} else {
			call(fmt.Sprintf("/short/%d", i))
		}
	}
	call(get)
	others, n := told["other"], len(told)
	clear(told)
	if after := heap(); after > before+4<<20 {
		t.Errorf("%d KiB are kept", (after-before)>>10)
	}
	call(get)
	if len(told) != 0 || n != 1001 || others != 1 {
		t.Errorf("told of %d, of others %d times, and again %v", n, others, told)
	}
	runtime.KeepAlive(failing)
}

func TestT69_WhatGRPCRepeatsIsNotHedged(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := &probe{}
		s := &service{native: true, get: func(context.Context, int, string) (string, error) {
			time.Sleep(50 * time.Millisecond)
			return "ok", nil
		}}
		cc, stop := s.dial(t, append(through(all, hedges(10*time.Millisecond), p), grpc.WithDefaultServiceConfig(nativePolicy))...)
		defer stop()
		if err := cc.Invoke(t.Context(), get, say("x"), new(message)); err != nil || s.calls.Load() != 1 {
			t.Errorf("%v after %d calls", err, s.calls.Load())
		}
		if len(p.results) != 2 || p.results[0].Err == nil || !strings.Contains(p.results[0].Err.Error(), "WithDisableRetry") {
			t.Errorf("the hedge came to %+v", p.results)
		}
	})
}

func TestDialOptionsSwitchNativeRetryOff(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var seen []string
		s := &service{native: true, get: func(ctx context.Context, _ int, _ string) (string, error) {
			md, _ := metadata.FromIncomingContext(ctx)
			seen = append(seen, strings.Join(md["grpc-previous-rpc-attempts"], "|"))
			return "", unavailable
		}}
		opts := append(all.DialOptions(again(4)), grpc.WithDefaultServiceConfig(nativePolicy))
		cc, stop := s.dial(t, opts...)
		defer stop()
		err := cc.Invoke(t.Context(), get, say("x"), new(message))
		if want := []string{"", "1", "2", "3"}; err == nil || !slices.Equal(seen, want) {
			t.Errorf("%v after %q, want %q", err, seen, want)
		}
	})
}

func TestT71_OwnOptionsAreForTheDoorAlone(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var got []grpc.CallOption
		inner := func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoker grpc.UnaryInvoker, opts ...grpc.CallOption) error {
			got = opts
			return invoker(ctx, method, req, reply, cc, opts...)
		}
		innerStream := func(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, streamer grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
			got = opts
			return streamer(ctx, desc, cc, method, opts...)
		}
		s := &service{get: failsFirst(2, unavailable), list: func(n int, _ string, _ grpc.ServerStream) error {
			_, err := failsFirst(2, unavailable)(nil, n, "")
			return err
		}}
		cc, stop := s.dial(t, append(through(grpcclient.Wrapper{}, again(3)), grpc.WithChainUnaryInterceptor(inner), grpc.WithChainStreamInterceptor(innerStream))...)
		defer stop()
		mine := []grpc.CallOption{grpcclient.Repeatable(true), grpc.WaitForReady(true), grpc.OnFinish(func(error) {}), grpcclient.Repeatable(true)}
		clean := func(kind string) {
			t.Helper()
			for _, o := range got {
				switch o.(type) {
				case grpc.OnFinishCallOption:
					t.Errorf("%s: OnFinish got through to each attempt", kind)
				case grpc.HeaderCallOption, grpc.TrailerCallOption, grpc.PeerCallOption, grpc.FailFastCallOption, grpc.ForceCodecV2CallOption:
				default:
					t.Errorf("%s: %T got through", kind, o)
				}
			}
		}
		if err := cc.Invoke(t.Context(), get, say("x"), new(message), mine...); err != nil || s.calls.Load() != 3 {
			t.Errorf("unary: %v after %d calls", err, s.calls.Load())
		}
		clean("unary")
		s.calls.Store(0)
		if _, err := read(lister(t, t.Context(), cc, "x", mine...)); err.Error() != "EOF" || s.calls.Load() != 3 {
			t.Errorf("stream: %v after %d calls", err, s.calls.Load())
		}
		clean("stream")
		s.calls.Store(0)
		if err := cc.Invoke(t.Context(), get, say("x"), new(message), grpcclient.Repeatable(false)); err == nil || s.calls.Load() != 1 {
			t.Errorf("not repeatable: %v after %d calls", err, s.calls.Load())
		}
	})
}

func TestByIdempotencyLevelAndMethods(t *testing.T) {
	some := grpcclient.Methods("/a.S/Get", "/b.S/")
	for method, want := range map[string]bool{"/a.S/Get": true, "/a.S/Put": false, "/b.S/Any": true, "/b.SX/Any": false, "": false, "x": false} {
		if some(method) != want {
			t.Errorf("%q: %v", method, !want)
		}
	}
	register(t)
	for range 2 { // from the descriptor, and as it was kept
		for method, want := range map[string]bool{
			"/holdfast.test.S/Reads": true, "/holdfast.test.S/Repeats": true, "/holdfast.test.S/Writes": false,
			"/holdfast.test/S/Reads": false, "/holdfast/test.S/Reads": false, "holdfast.test.S/Reads": false, "/holdfast/test.S.Reads": false, // a method has one name
			"/holdfast.test.S/Nothing": false, "/no.Such/Method": false, "": false, "/": false, "junk": false, "/holdfast.test.S": false,
		} {
			if grpcclient.ByIdempotencyLevel(method) != want {
				t.Errorf("%q: %v", method, !want)
			}
		}
	}
}

// Of an attempt that is a hedge it is said so.
func TestWireAttemptsTellOfHedges(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var mu sync.Mutex
		hedges := map[int]string{}
		note := grpcclient.WireAttempts(func(_ context.Context, e holdfast.Event) {
			mu.Lock()
			defer mu.Unlock()
			hedges[e.Attempt] = fmt.Sprint(e.Attrs)
		})
		s := &service{get: func(ctx context.Context, n int, _ string) (string, error) {
			if n == 1 {
				<-ctx.Done()
			}
			return "ok", nil
		}}
		cc, stop := s.dial(t, append(through(all, hedge.New(hedge.Options{Delay: 10 * time.Millisecond, Share: -1})), note)...)
		defer stop()
		if err := cc.Invoke(t.Context(), get, say("x"), new(message)); err != nil {
			t.Fatal(err)
		}
		mu.Lock()
		defer mu.Unlock()
		if len(hedges) != 2 || hedges[1] != "[]" || hedges[2] != "[hedge=true]" {
			t.Errorf("%v", hedges)
		}
	})
}

func TestWireAttemptsTellWhatNoInterceptorSees(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var mu sync.Mutex
		var told []holdfast.Event
		note := grpcclient.WireAttempts(func(_ context.Context, e holdfast.Event) {
			mu.Lock()
			defer mu.Unlock()
			if e.Kind != "wire_attempt" || e.Level != slog.LevelDebug || e.Policy != "transport" {
				t.Errorf("%+v", e)
			}
			told = append(told, holdfast.Event{Method: e.Method, Attempt: e.Attempt, Endpoint: e.Endpoint, Code: e.Code, Reason: e.Reason, Attrs: e.Attrs})
		})
		s := &service{get: failsFirst(1, unavailable)}
		cc, stop := s.dial(t, append(through(all, again(2)), note)...)
		defer stop()
		if err := cc.Invoke(t.Context(), get, say("x"), new(message)); err != nil {
			t.Fatal(err)
		}
		want := []holdfast.Event{
			{Method: get, Attempt: 1, Endpoint: "bufconn", Code: "UNAVAILABLE"}, {Method: get, Attempt: 2, Endpoint: "bufconn", Code: "OK"},
		}
		if fmt.Sprint(told) != fmt.Sprint(want) {
			t.Errorf("told of %+v, want %+v", told, want)
		}
	})
}
