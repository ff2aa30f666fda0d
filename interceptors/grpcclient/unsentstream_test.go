package grpcclient_test

import (
	"context"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/holdfast-go/holdfast"
)

// A server stream whose request is never sent ends with its context, and OnFinish says so, as it
// does without policies.
func TestOnFinishOfAStreamThatIsNeverSent(t *testing.T) {
	for _, bare := range []bool{true, false} {
		for name, end := range map[string]func(ctx context.Context) (context.Context, context.CancelFunc){
			"cancelled": context.WithCancel,
			"at its deadline": func(ctx context.Context) (context.Context, context.CancelFunc) {
				return context.WithTimeout(ctx, time.Second)
			},
		} {
			bubble(t, func(t *testing.T) {
				s, p := &service{list: sends(nil, "a")}, &probe{}
				var opts []grpc.DialOption
				if !bare {
					opts = through(all, again(3), p)
				}
				cc, stop := s.dial(t, opts...)
				defer stop()
				ctx, cancel := end(t.Context())
				var finished []codes.Code
				stream, err := cc.NewStream(ctx, listDesc, list, grpc.OnFinish(func(err error) { finished = append(finished, status.Code(err)) }))
				if err != nil {
					t.Fatal(err)
				}
				want := codes.DeadlineExceeded
				if name == "cancelled" {
					cancel()
					want = codes.Canceled
				} else {
					pass(time.Second)
				}
				synctest.Wait()
				if len(finished) != 1 || finished[0] != want {
					t.Errorf("bare %v, %s: OnFinish %v", bare, name, finished)
				}
				if !bare && p.over(t, 1)[0].Class != holdfast.Ignored {
					t.Errorf("%s: %+v", name, p.ends)
				}
				if err := stream.RecvMsg(new(message)); !bare && status.Code(err) != want {
					t.Errorf("%s: %v", name, err)
				}
				cancel()
				synctest.Wait()
				if len(finished) != 1 || s.calls.Load() != 0 {
					t.Errorf("bare %v, %s: OnFinish %v, %d calls", bare, name, finished, s.calls.Load())
				}
			})
		}
	}
}

// OnFinish runs once after a panic, or an exit of the goroutine, too: with an error.
func TestOnFinishAfterAPanic(t *testing.T) {
	for name, boom := range map[string]func(){"panic": func() { panic("mine") }, "exit": runtime.Goexit} {
		for _, desc := range []*grpc.StreamDesc{listDesc, chatDesc} {
			for _, at := range []string{"policy", "message", "OnFinish"} {
				bubble(t, func(t *testing.T) {
					s := &service{list: sends(nil, "a"), stream: echoes}
					policy := holdfast.PolicyFunc(func(next holdfast.Handler) holdfast.Handler {
						return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
							switch at {
							case "policy":
								boom()
							case "OnFinish":
								return holdfast.Result{Err: status.Error(codes.Internal, "nothing is sent")}
							}
							return next(ctx, call)
						}
					})
					further := func(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, next grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
						inner, err := next(ctx, desc, cc, method, opts...)
						return booming{inner, boom}, err
					}
					cc, stop := s.dial(t, append(through(all, policy), grpc.WithChainStreamInterceptor(further))...)
					defer stop()
					ctx, cancel := context.WithCancel(t.Context())
					defer cancel()
					var finished []error
					ended := make(chan struct{})
					go func() {
						defer close(ended)
						defer func() { _ = recover() }()
						stream, err := cc.NewStream(ctx, desc, "/test.Service/"+desc.StreamName, grpc.OnFinish(func(err error) {
							finished = append(finished, err)
							if at == "OnFinish" {
								boom()
							}
						}))
						if err != nil {
							t.Error(err)
							return
						}
						_ = stream.SendMsg(say("chat"))
						_ = stream.RecvMsg(new(message))
						t.Errorf("%s of %s in %s: it goes on", name, at, desc.StreamName)
					}()
					<-ended
					cancel()
					synctest.Wait()
					if len(finished) != 1 || status.Code(finished[0]) != codes.Internal {
						t.Errorf("%s of %s in %s: OnFinish %v", name, at, desc.StreamName, finished)
					}
				})
			}
		}
	}
}

type booming struct {
	grpc.ClientStream
	boom func()
}

func (b booming) RecvMsg(any) error { b.boom(); return nil }

// Of a unary call, too.
func TestOnFinishOfAUnaryCallAfterAPanic(t *testing.T) {
	for name, boom := range map[string]func(){"panic": func() { panic("mine") }, "exit": runtime.Goexit} {
		for _, at := range []string{"attempt", "OnFinish"} {
			var finished []error
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				defer func() { _ = recover() }()
				_ = all.Unary(again(3))(t.Context(), get, say("x"), new(message), nil, func(context.Context, string, any, any, *grpc.ClientConn, ...grpc.CallOption) error {
					if at == "attempt" {
						boom()
					}
					return status.Error(codes.Internal, "down")
				}, grpc.OnFinish(func(err error) {
					finished = append(finished, err)
					if at == "OnFinish" {
						boom()
					}
				}))
				t.Errorf("%s of %s: it goes on", name, at)
			}()
			<-ended
			if len(finished) != 1 || status.Code(finished[0]) != codes.Internal {
				t.Errorf("%s of %s: OnFinish %v", name, at, finished)
			}
		}
	}
}
