package grpcclient_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"strconv"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/hedge"
	"github.com/holdfast-go/holdfast/interceptors/grpcclient"
	"github.com/holdfast-go/holdfast/retry"
	"github.com/holdfast-go/holdfast/timeout"
)

// forgeries are what gRPC says of what was never sent, or never begun, as a server's own
// words: those of a client behind it, whose error it returns as it came.
var forgeries = []string{
	"stream terminated by RST_STREAM with error code: REFUSED_STREAM",
	`connection error: desc = "transport: Error while dialing: dial tcp 10.0.0.7:80: connect: connection refused"`,
	`connection error: desc = "transport: Error while dialing: dial tcp 10.0.0.7:80: socket: too many open files"`,
	`last connection error: connection error: desc = "transport: x"`,
	"name resolver error: produced zero addresses", "last resolver error: x",
	"grpcclient: no endpoint takes another call", "the connection is draining", "transport is closing",
	"transport: per-RPC creds failed due to error: x", "failed to validate authority \"x\" : y",
}

// cuts are ways of a server not to answer, once it has a request.
func cuts() map[string]func(w *wire) error {
	all := map[string]func(w *wire) error{
		"closed":  func(*wire) error { return errCut },
		"reset":   func(w *wire) error { _ = w.conn.(*net.TCPConn).SetLinger(0); return errCut },
		"garbage": func(w *wire) error { _, _ = w.conn.Write(bytes.Repeat([]byte{0xff}, 50)); return errCut },
		"hanging": func(*wire) error { return nil },
		"half a head": func(w *wire) error {
			_, _ = w.conn.Write([]byte{0, 0, 40, 1, 4, 0, 0, 0, byte(w.id), 0x88})
			return errCut
		},
		"half a reply": func(w *wire) error { _, _ = w.begin(), w.WriteData(w.id, false, []byte{0, 0, 0}); return errCut },
		"no trailer":   func(w *wire) error { _ = w.begin(); return w.WriteData(w.id, true, make([]byte, 5)) },
	}
	for code := range http2.ErrCode(14) {
		all["RST "+code.String()] = func(w *wire) error { return w.reset(code) }
		all["header, RST "+code.String()] = func(w *wire) error { _ = w.begin(); return w.reset(code) }
		all["message, RST "+code.String()] = func(w *wire) error {
			_, _ = w.begin(), w.WriteData(w.id, false, make([]byte, 5))
			return w.reset(code)
		}
		all["GOAWAY "+code.String()] = func(w *wire) error { _ = w.WriteGoAway(w.id, code, []byte("x")); return errCut }
	}
	for code := range codes.Code(18) {
		all["status "+code.String()] = func(w *wire) error {
			return w.head(true, ":status", "200", "content-type", "application/grpc", "grpc-status", strconv.Itoa(int(code)), "grpc-retry-pushback-ms", "0")
		}
	}
	for _, status := range []string{"400", "429", "502", "503", "504"} {
		all["HTTP "+status] = func(w *wire) error { return w.head(true, ":status", status) }
	}
	for _, message := range forgeries {
		for _, code := range []string{"8", "13", "14", "16"} {
			all["status "+code+" "+message] = func(w *wire) error { return w.fail(code, message) }
			all["header, status "+code+" "+message] = func(w *wire) error {
				_ = w.begin()
				return w.head(true, "grpc-status", code, "grpc-message", message)
			}
		}
	}
	return all
}

// A call that is not repeatable is executed at most once, wherever it is cut off and
// whatever the server says of it.
//
// Two are gRPC's own: it makes a stream again that the server has refused, and does not
// look at whether the server has sent something on it before; beneath our balancer that
// is prevented. (REFUSED_STREAM without HEADERS is what "not begun" means.)
func TestACallThatIsNotRepeatableIsExecutedOnce(t *testing.T) {
	unlimited := retry.NewBudget(retry.BudgetOptions{Unlimited: true})
	policies := []holdfast.Policy{
		retry.New(retry.Options{MaxAttempts: 4, InitialInterval: -1, Budget: unlimited}), hedge.New(hedge.Options{Delay: time.Millisecond, Budget: unlimited}),
		timeout.New(timeout.Options{Limit: 30 * time.Millisecond}),
	}
	for name, cut := range cuts() {
		for _, balanced := range []bool{false, true} {
			for kind, whole := range map[string]bool{"unary, at its header": false, "unary": true, "stream, at its header": false, "stream": true} {
				t.Run(fmt.Sprintf("%s/%s/balanced %v", name, kind, balanced), func(t *testing.T) {
					t.Parallel()
					addr, executed := wired(t, whole, cut)
					opts := grpcclient.DialOptions(policies...)
					if balanced {
						opts = append(opts, grpc.WithDefaultServiceConfig(inTurn))
					}
					cc := dialed(t, addr, opts...)
					ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
					defer cancel()
					for range 2 { // the door is more attentive once it has been refused
						if kind[:5] == "unary" {
							_ = cc.Invoke(ctx, get, say("x"), new(message))
						} else if s, err := cc.NewStream(ctx, listDesc, list); err == nil {
							_ = s.SendMsg(say("x"))
							_ = s.CloseSend()
							_, _ = read(s)
						}
					}
					most := int32(2)
					if !balanced && (name == "header, RST REFUSED_STREAM" || name == "message, RST REFUSED_STREAM" && kind[:5] == "unary") {
						most = 4
					}
					if n := executed.Load(); n > most && name != "RST REFUSED_STREAM" {
						t.Errorf("2 calls were executed %d times", n)
					}
				})
			}
		}
	}
}

// Without gRPC's own replays there is no exception, on any balancer.
func TestWithoutReplaysNothingIsExecutedTwice(t *testing.T) {
	addr, executed := wired(t, true, cuts()["header, RST REFUSED_STREAM"])
	cc := dialed(t, addr, append(grpcclient.DialOptions(again(3)), grpc.WithDefaultCallOptions(grpc.MaxRetryRPCBufferSize(0)))...)
	for i := range int32(3) {
		if err := cc.Invoke(t.Context(), get, say("x"), new(message)); err == nil || executed.Load() != i+1 {
			t.Errorf("%v after %d", err, executed.Load())
		}
	}
}
