package grpcclient_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/breaker"
	"github.com/holdfast-go/holdfast/interceptors/grpcclient"
	"github.com/holdfast-go/holdfast/internal/rpccode"
	"github.com/holdfast-go/holdfast/limit"
	"github.com/holdfast-go/holdfast/retry"
	"github.com/holdfast-go/holdfast/timeout"
)

// told notes what the Sender says that the caller will get.
func told(to *holdfast.Code) holdfast.Policy {
	return holdfast.PolicyFunc(func(next holdfast.Handler) holdfast.Handler {
		return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
			res := next(ctx, call)
			*to = call.Sender.(interface {
				Outcome(context.Context, holdfast.Result) holdfast.Code
			}).Outcome(ctx, res)
			return res
		}
	})
}

// Observers learn the status that the caller gets, whatever ended the call.
func TestTheOutcomeIsWhatTheCallerGets(t *testing.T) {
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	full := limit.NewRate(limit.RateOptions{PerSecond: 1e-9, Burst: 1})
	_ = full.Acquire(t.Context(), "")
	broken := holdfast.PolicyFunc(func(holdfast.Handler) holdfast.Handler { return nil })
	for name, c := range map[string]struct {
		ctx    context.Context
		policy holdfast.Policy
		err    error // of the attempt
		want   holdfast.Code
	}{
		"an answer":             {want: "OK"},
		"a status":              {err: status.Error(codes.NotFound, "x"), want: "NOT_FOUND"},
		"a plain error":         {err: errors.New("x"), want: "UNKNOWN"},
		"the last of several":   {policy: again(2), err: unavailable, want: "UNAVAILABLE"},
		"a cancel":              {ctx: cancelled, policy: again(2), want: "CANCELLED"},
		"a limit":               {policy: full, want: "RESOURCE_EXHAUSTED"},
		"a limit by its name":   {policy: answering(holdfast.Result{Err: errOpen, Code: holdfast.CodeLimited}), want: "RESOURCE_EXHAUSTED"},
		"a circuit":             {policy: answering(holdfast.Result{Err: errOpen, Code: holdfast.CodeCircuitOpen}), want: "UNAVAILABLE"},
		"a policy of your own":  {policy: answering(holdfast.Result{Err: errOpen, Code: "tenant"}), want: "UNAVAILABLE"},
		"one that names no OK":  {policy: answering(holdfast.Result{Err: errOpen, Code: holdfast.CodeOK}), want: "UNAVAILABLE"},
		"one that knows little": {policy: answering(holdfast.Result{Err: errOpen, Code: holdfast.CodeError}), want: "UNAVAILABLE"},
		"our limit":             {policy: answering(holdfast.Result{Err: &holdfast.TimeoutError{Scope: "call"}, Code: holdfast.CodeTimeout}), want: "DEADLINE_EXCEEDED"},
		"nothing":               {policy: answering(holdfast.Result{}), want: "INTERNAL"},
		"a chain that is none":  {policy: broken, want: "INTERNAL"},
	} {
		ctx := c.ctx
		if ctx == nil {
			ctx = t.Context()
		}
		streamer := func(context.Context, *grpc.StreamDesc, *grpc.ClientConn, string, ...grpc.CallOption) (grpc.ClientStream, error) {
			if c.err != nil {
				return nil, c.err
			}
			return &scripted{t: t, ctx: ctx, script: "m"}, nil
		}
		var got holdfast.Code
		for kind, call := range map[string]func() error{
			"unary": func() error {
				return all.Unary(told(&got), c.policy)(ctx, get, say("x"), new(message), nil, returning(c.err))
			},
			"server stream": func() error {
				s, err := all.Stream(told(&got), c.policy)(ctx, listDesc, nil, list, streamer)
				if err == nil {
					_ = s.SendMsg(say("x"))
					err = s.RecvMsg(new(message))
				}
				return err
			},
			"stream": func() error {
				_, err := all.Stream(told(&got), c.policy)(ctx, chatDesc, nil, chat, streamer)
				return err
			},
		} {
			got = ""
			err := call()
			if code := holdfast.Code(rpccode.Name(uint32(status.Code(err)))); got != c.want || code != c.want {
				t.Errorf("%s, %s: %q is told, the caller gets %q: %v; want %q", name, kind, got, code, err, c.want)
			}
		}
	}
}

// A caller that gave up just as an attempt failed gets that, and the failure too.
func TestACancelDuringAFailingAttemptIsBoth(t *testing.T) {
	for _, inner := range []holdfast.Policy{nil, timeout.New(timeout.Options{Limit: time.Minute})} {
		ctx, cancel := context.WithCancel(t.Context())
		down, _ := status.New(codes.Unavailable, "down").WithDetails(status.New(codes.NotFound, "detail").Proto())
		attempt := down.Err()
		err := all.Unary(again(3), inner)(ctx, get, say("x"), new(message), nil, func(context.Context, string, any, any, *grpc.ClientConn, ...grpc.CallOption) error {
			cancel()
			return attempt
		})
		if s := status.Convert(err); status.Code(err) != codes.Canceled || !errors.Is(err, context.Canceled) || !errors.Is(err, attempt) || len(s.Details()) != 1 {
			t.Errorf("%v", err)
		}
	}
}

// One whose attempt ended as its cancel would have it gets that as it came.
func TestACancelThatTheAttemptTellsOfIsThat(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	err := all.Unary(again(3))(ctx, get, say("x"), new(message), nil, func(context.Context, string, any, any, *grpc.ClientConn, ...grpc.CallOption) error {
		cancel()
		return status.Error(codes.Canceled, "what gRPC says")
	})
	if s := status.Convert(err); s.Code() != codes.Canceled || s.Message() != "what gRPC says" {
		t.Errorf("%v", err)
	}
}

// A limit of a layer further out is one, though it ends its context by a cancel.
func TestALimitFurtherOutIsALimit(t *testing.T) {
	bubble(t, func(t *testing.T) {
		slow := retry.New(retry.Options{InitialInterval: time.Hour, MaxInterval: time.Hour, Jitter: retry.Constant})
		_, err := holdfast.Do(t.Context(), nil, holdfast.Call{Target: "x"}, func(ctx context.Context) (int, error) {
			ctx, cancel := context.WithCancelCause(ctx)
			time.AfterFunc(time.Second, func() { cancel(holdfast.CallFrom(ctx).TimedOut(time.Second, "call")) })
			return 0, all.Unary(slow)(ctx, get, say("x"), new(message), nil, returning(unavailable))
		})
		if status.Code(err) != codes.DeadlineExceeded || !errors.Is(err, unavailable) {
			t.Errorf("%v", err)
		}
	})
}

// A circuit that opens midway hides nothing: the status is the last answer's, and the
// reason is found.
func TestACircuitThatOpensMidwayLeavesTheLastAnswer(t *testing.T) {
	b := breaker.New(breaker.Options{})
	opens := holdfast.PolicyFunc(func(next holdfast.Handler) holdfast.Handler {
		return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
			res := next(ctx, call)
			b.Isolate(call.Target)
			return res
		}
	})
	s := &service{get: func(ctx context.Context, _ int, _ string) (string, error) {
		_ = grpc.SetTrailer(ctx, metadata.Pairs("who", "me"))
		return "", status.Error(codes.Unavailable, "down")
	}}
	cc, stop := s.dialTCP(t, through(all, again(3), b, opens)...)
	defer stop()
	var trailer metadata.MD
	err := cc.Invoke(t.Context(), get, say("x"), new(message), grpc.Trailer(&trailer))
	if status.Convert(err).Message() != "down" || status.Code(err) != codes.Unavailable || !errors.Is(err, breaker.ErrOpen) || s.calls.Load() != 1 || trailer["who"] == nil {
		t.Errorf("%v after %d calls, trailer %v", err, s.calls.Load(), trailer)
	}
}

// A limit that moves ends its context by a cancel, which gRPC passes on as one: it is our
// limit all the same, wherever the call is.
func TestALimitThatCancelsIsALimit(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var sent atomic.Bool // first
		limits := holdfast.PolicyFunc(func(next holdfast.Handler) holdfast.Handler {
			return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
				ctx, cancel := context.WithCancelCause(ctx)
				call.Limit(time.Second)
				if !sent.Load() {
					cancel(call.TimedOut(time.Second, "attempt"))
				}
				time.AfterFunc(time.Second, func() { cancel(call.TimedOut(time.Second, "attempt")) })
				return next(ctx, call)
			}
		})
		s := &service{
			get:    func(ctx context.Context, _ int, _ string) (string, error) { return "", hangs(ctx) },
			list:   func(_ int, _ string, ss grpc.ServerStream) error { return hangs(ss.Context()) },
			stream: func(_ int, ss grpc.ServerStream) error { return hangs(ss.Context()) },
		}
		p := &probe{}
		cc, stop := s.dial(t, through(grpcclient.Wrapper{}, limits, p)...)
		defer stop()
		for _, first := range []bool{true, false} {
			sent.Store(first)
			for kind, call := range map[string]func() error{
				"unary":         func() error { return cc.Invoke(t.Context(), get, say("x"), new(message)) },
				"server stream": func() error { _, err := read(lister(t, t.Context(), cc, "x")); return err },
				"stream": func() error {
					s, err := cc.NewStream(t.Context(), chatDesc, chat)
					if err == nil {
						err = s.RecvMsg(new(message))
					}
					return err
				},
			} {
				p.results, p.ends = nil, nil
				err := call()
				pass(2 * time.Second)
				var limit *holdfast.TimeoutError
				if status.Code(err) != codes.DeadlineExceeded || !errors.As(err, &limit) || errors.Is(err, io.EOF) || !strings.Contains(status.Convert(err).Message(), "attempt timed out after 1s") {
					t.Errorf("%s, sent %v: %v", kind, first, err)
				}
				want := holdfast.Failure
				if !first {
					want = holdfast.Ignored
				}
				if end := p.over(t, 1)[0]; end.Code != holdfast.CodeTimeout || end.Class != want {
					t.Errorf("%s, sent %v: %+v", kind, first, end)
				}
			}
		}
	})
}
