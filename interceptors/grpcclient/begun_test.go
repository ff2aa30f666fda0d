package grpcclient_test

import (
	"context"
	"fmt"
	"io"
	"strings"
	"testing"

	"golang.org/x/net/http2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/interceptors/grpcclient"
)

// gRPC does not send again what a server has begun, whatever becomes of the stream, and whoever
// else watches: beneath our balancer, and with its own where the call has one request.
func TestWhatHasBegunIsNotSentAgain(t *testing.T) {
	for name, act := range map[string]func(w *wire) error{
		"refused":  func(w *wire) error { _ = w.begin(); return w.reset(http2.ErrCodeRefusedStream) },
		"draining": func(w *wire) error { _ = w.begin(); return w.WriteGoAway(0, http2.ErrCodeNo, nil) },
		"refused in turn": func(w *wire) error { // the second time without a header
			if w.n%2 == 1 {
				_ = w.begin()
			}
			return w.reset(http2.ErrCodeRefusedStream)
		},
		"no answer of gRPC": func(w *wire) error {
			_ = w.head(false, ":status", "503")
			return w.reset(http2.ErrCodeRefusedStream)
		},
	} {
		for i := range 8 {
			balanced, watched, stream := i&1 != 0, i&2 != 0, i&4 != 0
			if name == "no answer of gRPC" && !balanced {
				continue // gRPC from 1.85 on tells nobody else of such a header
			}
			t.Run(fmt.Sprintf("%s/balanced %v, watched %v, stream %v", name, balanced, watched, stream), func(t *testing.T) {
				addr, executed := wired(t, true, act)
				opts := grpcclient.DialOptions(again(4))
				if balanced {
					opts = append(opts, grpc.WithDefaultServiceConfig(inTurn))
				}
				if watched {
					opts = append(opts, grpcclient.WireAttempts(nil))
				}
				cc := dialed(t, addr, opts...)
				var err error
				if stream {
					_, err = read(lister(t, t.Context(), cc, "x"))
				} else {
					err = cc.Invoke(t.Context(), get, say("x"), new(message))
				}
				if err == nil || executed.Load() != 1 {
					t.Errorf("%v, sent %d times", err, executed.Load())
				}
			})
		}
	}
}

// An error of several attempts names no address to the callers of a handler that wraps it.
func TestTheLedgerStaysHere(t *testing.T) {
	for name, last := range map[string]func(ctx context.Context, cancel func()) error{
		"cancelled": func(ctx context.Context, cancel func()) error { cancel(); return hangs(ctx) },
		"failed":    func(context.Context, func()) error { return fmt.Errorf("annotated: %w", unavailable) },
	} {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		n := 0
		sent := holdfast.PolicyFunc(func(next holdfast.Handler) holdfast.Handler {
			return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
				call.SendTo("10.0.0.7:80")
				return next(ctx, call)
			}
		})
		err := all.Unary(again(2), sent)(ctx, get, say("x"), new(message), nil, func(ctx context.Context, _ string, _, _ any, _ *grpc.ClientConn, _ ...grpc.CallOption) error {
			if n++; n == 1 {
				return unavailable
			}
			return last(ctx, cancel)
		})
		wrapped, _ := status.FromError(fmt.Errorf("users: %w", err))
		if n != 2 || strings.Contains(wrapped.Message(), "10.0.0.7") || !strings.HasPrefix(wrapped.Message(), "users: ") {
			t.Errorf("%s, after %d attempts: %v", name, n, wrapped)
		}
		if name == "failed" && status.Code(err) != codes.Unavailable {
			t.Errorf("the last attempt's code became %v", status.Code(err))
		}
	}
}

// What no server has begun with is sent once more, as a bare client does it, whatever the call:
// a stream that was refused, and one that a GOAWAY left out.
func TestWhatNobodyHasBegunIsSentOnceMore(t *testing.T) {
	for name, leaves := range map[string]func(w *wire) error{
		"refused":  func(w *wire) error { return w.reset(http2.ErrCodeRefusedStream) },
		"draining": func(w *wire) error { return w.WriteGoAway(0, http2.ErrCodeNo, nil) },
	} {
		for i := range 8 {
			balanced, bare, stream := i&1 != 0, i&2 != 0, i&4 != 0
			t.Run(fmt.Sprintf("%s/balanced %v, bare %v, stream %v", name, balanced, bare, stream), func(t *testing.T) {
				addr, requests := wired(t, true, func(w *wire) error {
					if w.n == 1 {
						return leaves(w)
					}
					return w.answer()
				})
				opts := []grpc.DialOption{}
				if !bare {
					opts = grpcclient.DialOptions()
				}
				if balanced {
					opts = append(opts, grpc.WithDefaultServiceConfig(inTurn))
				}
				cc := dialed(t, addr, opts...)
				var err error
				if stream {
					if _, err = read(lister(t, t.Context(), cc, "x")); err == io.EOF {
						err = nil
					}
				} else {
					err = cc.Invoke(t.Context(), get, say("x"), new(message))
				}
				if err != nil || requests.Load() != 2 {
					t.Errorf("%v, sent %d times", err, requests.Load())
				}
			})
		}
	}
}
