package grpcclient_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/interceptors/grpcclient"
	"github.com/holdfast-go/holdfast/timeout"
)

func TestUnaryCallsAreRepeatedWhereThatIsAllowed(t *testing.T) {
	for name, c := range map[string]struct {
		door  grpcclient.Wrapper
		calls int32
		code  codes.Code
	}{
		"allowed":     {all, 3, codes.OK},
		"not allowed": {grpcclient.Wrapper{}, 1, codes.Unavailable},
		"another method": {grpcclient.Wrapper{Repeatable: func(m string) bool { return m == put }},
			1, codes.Unavailable},
	} {
		bubble(t, func(t *testing.T) {
			s, p := &service{get: failsFirst(2, unavailable)}, &probe{}
			cc, stop := s.dial(t, through(c.door, again(3), p)...)
			defer stop()
			out := new(message)
			err := cc.Invoke(t.Context(), get, say("x"), out)
			if status.Code(err) != c.code || s.calls.Load() != c.calls {
				t.Errorf("%s: %d calls, %v; want %d and %v", name, s.calls.Load(), err, c.calls, c.code)
			}
			if (err == nil) != (out.GetValue() == "ok") {
				t.Errorf("%s: reply %q with error %v", name, out.GetValue(), err)
			}
			p.over(t, int(c.calls))
			call := p.calls[0]
			if call.Target != cc.Target() || call.Method != get || !call.Unary || call.Stream || call.Attempt != 1 {
				t.Errorf("%s: the call is %+v", name, call)
			}
		})
	}
}

// T72: what stands after the door runs once for each attempt, what stands before
// it once for each call.
func TestT72_InterceptorsAfterTheDoorRunOncePerAttempt(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var before, after int
		count := func(n *int) grpc.UnaryClientInterceptor {
			return func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoker grpc.UnaryInvoker, opts ...grpc.CallOption) error {
				*n++
				if n == &after {
					opts = append(opts, grpc.WaitForReady(true)) // into nobody's slice
				}
				return invoker(ctx, method, req, reply, cc, opts...)
			}
		}
		s := &service{get: failsFirst(2, unavailable), list: func(n int, _ string, ss grpc.ServerStream) error {
			if n < 6 {
				return unavailable
			}
			return ss.SendMsg(say("ok"))
		}}
		var streamsBefore, streamsAfter int
		countStreams := func(n *int) grpc.StreamClientInterceptor {
			return func(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, streamer grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
				*n++
				if n == &streamsAfter {
					opts = append(opts, grpc.WaitForReady(true))
				}
				return streamer(ctx, desc, cc, method, opts...)
			}
		}
		cc, stop := s.dial(t,
			grpc.WithChainUnaryInterceptor(count(&before), all.Unary(again(3)), count(&after)),
			grpc.WithChainStreamInterceptor(countStreams(&streamsBefore), all.Stream(again(3)), countStreams(&streamsAfter)))
		defer stop()
		opts := append(make([]grpc.CallOption, 0, 8), grpc.WaitForReady(false))
		if err := cc.Invoke(t.Context(), get, say("x"), new(message), opts...); err != nil {
			t.Fatal(err)
		}
		if before != 1 || after != 3 {
			t.Errorf("unary: %d before and %d after, want 1 and 3", before, after)
		}
		if got, err := read(lister(t, t.Context(), cc, "x", opts...)); len(got) != 1 {
			t.Error(got, err)
		}
		if streamsBefore != 1 || streamsAfter != 3 {
			t.Errorf("stream: %d before and %d after, want 1 and 3", streamsBefore, streamsAfter)
		}
		if got := opts[:2][1]; got != nil {
			t.Errorf("an interceptor has written %v into the caller's slice", got)
		}
	})
}

// T74: a context never leaks from one call into another: of a hundred calls
// through one interceptor one is cancelled, and 99 succeed.
func TestT74_OneCancelHarmsNobodyElse(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const n = 100
		s := &service{get: func(ctx context.Context, _ int, in string) (string, error) {
			select {
			case <-time.After(time.Second):
				return in, nil
			case <-ctx.Done():
				return "", ctx.Err()
			}
		}}
		cc, stop := s.dial(t, through(all, timeout.New(timeout.Options{Limit: time.Minute}), again(3), timeout.New(timeout.Options{Limit: 10 * time.Second}))...)
		defer stop()
		errs := make([]error, n)
		var wg sync.WaitGroup
		for i := range n {
			ctx, cancel := context.WithCancel(t.Context())
			if i == n/2 {
				time.AfterFunc(500*time.Millisecond, cancel)
			}
			wg.Go(func() {
				defer cancel()
				out, in := new(message), fmt.Sprint(i)
				errs[i] = cc.Invoke(ctx, get, say(in), out)
				if errs[i] == nil && out.GetValue() != in {
					t.Errorf("call %d got the answer %q", i, out.GetValue())
				}
			})
		}
		wg.Wait()
		for i, err := range errs {
			want := codes.OK
			if i == n/2 {
				want = codes.Canceled
			}
			if status.Code(err) != want {
				t.Errorf("call %d: %v, want %v", i, err, want)
			}
		}
	})
}

// T34: code, message and details of the last gRPC error survive several attempts.
func TestT34_TheLastStatusSurvives(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := &service{get: func(_ context.Context, n int, _ string) (string, error) {
			st, err := status.New(codes.Unavailable, fmt.Sprintf("down %d", n)).WithDetails(&errdetails.ErrorInfo{Reason: fmt.Sprintf("REASON_%d", n)})
			if err != nil {
				t.Error(err)
			}
			return "", st.Err()
		}}
		s.list = func(n int, in string, _ grpc.ServerStream) error {
			_, err := s.get(t.Context(), n, in)
			return err
		}
		cc, stop := s.dial(t, through(all, again(3))...)
		defer stop()
		_, streamed := read(lister(t, t.Context(), cc, "x"))
		s.calls.Store(0)
		for name, err := range map[string]error{"unary": cc.Invoke(t.Context(), get, say("x"), new(message)), "stream": streamed} {
			direct, ok := err.(interface{ GRPCStatus() *status.Status })
			if !ok {
				t.Fatalf("%s: %T has no GRPCStatus of its own", name, err)
			}
			st, ok := status.FromError(err)
			if !ok || st.Code() != codes.Unavailable || st.Message() != "down 3" || status.Code(err) != codes.Unavailable {
				t.Errorf("%s: status %v, want the last attempt's", name, st)
			}
			for _, st := range []*status.Status{st, direct.GRPCStatus()} {
				info, ok := st.Details()[0].(*errdetails.ErrorInfo)
				if !ok || info.GetReason() != "REASON_3" {
					t.Errorf("%s: details %v", name, st.Details())
				}
			}
			var attempts *holdfast.AttemptsError
			if !errors.As(err, &attempts) || len(attempts.Ledger.Attempts) != 3 || attempts.Ledger.Attempts[2].Code != "UNAVAILABLE" {
				t.Errorf("%s: no ledger of three attempts in %v", name, err)
			}
		}
	})
}

// A single attempt's error is the very error that came from below.
func TestASingleAttemptsErrorStaysTheSame(t *testing.T) {
	plain := errors.New("an interceptor's own")
	for _, below := range []error{status.Error(codes.NotFound, "x"), plain, fmt.Errorf("wrapped: %w", unavailable), uncomparable{[]int{1}}} {
		invoker := func(context.Context, string, any, any, *grpc.ClientConn, ...grpc.CallOption) error { return below }
		err := all.Unary(again(1))(t.Context(), get, say("x"), new(message), nil, invoker)
		if _, odd := below.(uncomparable); odd {
			if !errors.As(err, new(uncomparable)) || status.Code(err) == codes.OK {
				t.Errorf("got %v, want %v inside a status", err, below)
			}
		} else if err != below {
			t.Errorf("got %v, want the same %v", err, below)
		}
	}
}

type uncomparable struct{ _ []int }

func (uncomparable) Error() string { return "not comparable" }

func TestUnaryNilsAreHarmless(t *testing.T) {
	fail := unavailable
	invoker := func(context.Context, string, any, any, *grpc.ClientConn, ...grpc.CallOption) error { return fail }
	var typed *message
	for name, reply := range map[string]any{"nil": nil, "typed nil": typed, "no message": new(int)} {
		if err := all.Unary(nil, again(3), nil)(t.Context(), get, nil, reply, nil, invoker, nil...); status.Code(err) != codes.Unavailable {
			t.Errorf("%s reply: %v", name, err)
		}
	}
	if err := (grpcclient.Wrapper{}).Unary()(nil, get, nil, nil, nil, invoker); status.Code(err) != codes.Internal {
		t.Errorf("nil context: %v", err)
	}
	fail = nil
	if err := (grpcclient.Wrapper{}).Unary(nil)(t.Context(), get, nil, nil, nil, invoker); err != nil {
		t.Errorf("no policies: %v", err)
	}
}

// What an attempt has left in the caller's hands is gone when the next one fails
// without an answer.
func TestUnaryOptionsAndReplyAreOfTheLastAttempt(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := &service{get: func(ctx context.Context, n int, _ string) (string, error) {
			_ = grpc.SetHeader(ctx, metadata.Pairs("n", fmt.Sprint(n)))
			_ = grpc.SetTrailer(ctx, metadata.Pairs("n", fmt.Sprint(n)))
			if n == 1 {
				return "", unavailable
			}
			return "ok", nil
		}}
		attempt, dead := 0, false
		partial := func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoker grpc.UnaryInvoker, opts ...grpc.CallOption) error {
			if attempt++; attempt > 1 && dead {
				return unavailable // before there was a stream
			}
			if out := reply.(*message); out.GetValue() != "" {
				t.Errorf("attempt %d begins with the reply %q", attempt, out.GetValue())
			}
			err := invoker(ctx, method, req, reply, cc, opts...)
			if err != nil {
				reply.(*message).Value = "partly filled"
			}
			return err
		}
		cc, stop := s.dial(t, grpc.WithChainUnaryInterceptor(all.Unary(again(2)), partial))
		defer stop()
		for _, dead = range []bool{false, true} {
			s.calls.Store(0)
			attempt = 0
			var header, trailer metadata.MD
			var from peer.Peer
			var finished []error
			out := new(message)
			err := cc.Invoke(t.Context(), get, say("x"), out, grpc.OnFinish(func(err error) { finished = append(finished, err) }),
				grpc.Header(&header), grpc.Trailer(&trailer), grpc.Peer(&from))
			if !dead && (err != nil || out.GetValue() != "ok" || !slices.Equal(header["n"], []string{"2"}) || !slices.Equal(trailer["n"], []string{"2"}) || from.Addr == nil) {
				t.Errorf("%v, %q, header %v, trailer %v, peer %v", err, out.GetValue(), header, trailer, from.Addr)
			}
			if dead && (err == nil || out.GetValue() != "" || header != nil || trailer != nil || from.Addr != nil) {
				t.Errorf("dead: %v, %q, header %v, trailer %v, peer %v; want nothing of attempt 1", err, out.GetValue(), header, trailer, from.Addr)
			}
			if len(finished) != 1 || finished[0] != err {
				t.Errorf("OnFinish ran %d times: %v; want once, with %v", len(finished), finished, err)
			}
		}
	})
}

// A policy that sends a second attempt beside the first is told so, and the
// reply is written by one of them only.
func TestOverlappingAttemptsAreRefused(t *testing.T) {
	var second holdfast.Result
	hedge := holdfast.PolicyFunc(func(next holdfast.Handler) holdfast.Handler {
		return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
			begun, done := make(chan struct{}), make(chan struct{})
			ctx = context.WithValue(ctx, begunKey{}, begun)
			go func() {
				defer close(done)
				<-begun
				second = next(ctx, call.Again()) // and not marked as a hedge
			}()
			res := next(context.WithValue(ctx, doneKey{}, done), call)
			return res
		}
	})
	invoker := func(ctx context.Context, _ string, _, reply any, _ *grpc.ClientConn, _ ...grpc.CallOption) error {
		close(ctx.Value(begunKey{}).(chan struct{}))
		<-ctx.Value(doneKey{}).(chan struct{})
		reply.(*message).Value = "mine"
		return nil
	}
	out := new(message)
	if err := all.Unary(hedge)(t.Context(), get, say("x"), out, nil, invoker); err != nil || out.GetValue() != "mine" {
		t.Errorf("%v, %q", err, out.GetValue())
	}
	if second.Err == nil || second.Class != holdfast.LocalFault || second.Code != holdfast.CodeConfig || second.Reply != nil {
		t.Errorf("the second attempt: %+v", second)
	}
}

type (
	begunKey struct{}
	doneKey  struct{}
)
