package grpcclient_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/interceptors/grpcclient"
)

func returning(err error) grpc.UnaryInvoker {
	return func(context.Context, string, any, any, *grpc.ClientConn, ...grpc.CallOption) error { return err }
}

// judged is the Result of an attempt that came to err.
func judged(ctx context.Context, w grpcclient.Wrapper, err error) holdfast.Result {
	p := &probe{}
	_ = w.Unary(p)(ctx, get, nil, nil, nil, returning(err))
	return p.results[0]
}

func TestTheTableOfCodes(t *testing.T) {
	success := func(code holdfast.Code) holdfast.Result { return holdfast.Result{Class: holdfast.Success, Code: code} }
	failure := func(code holdfast.Code, after time.Duration) holdfast.Result {
		return holdfast.Result{Class: holdfast.Failure, Code: code, After: after}
	}
	want := map[codes.Code]holdfast.Result{
		codes.Canceled:           failure("CANCELLED", 0), // the other side's: the caller has cancelled nothing
		codes.Unknown:            failure("UNKNOWN", -1),
		codes.InvalidArgument:    success("INVALID_ARGUMENT"),
		codes.DeadlineExceeded:   failure("DEADLINE_EXCEEDED", -1),
		codes.NotFound:           success("NOT_FOUND"),
		codes.AlreadyExists:      success("ALREADY_EXISTS"),
		codes.PermissionDenied:   success("PERMISSION_DENIED"),
		codes.ResourceExhausted:  {Class: holdfast.Overload, Code: "RESOURCE_EXHAUSTED", After: -1},
		codes.FailedPrecondition: success("FAILED_PRECONDITION"),
		codes.Aborted:            success("ABORTED"),
		codes.OutOfRange:         success("OUT_OF_RANGE"),
		codes.Unimplemented:      success("UNIMPLEMENTED"),
		codes.Internal:           failure("INTERNAL", -1),
		codes.Unavailable:        failure("UNAVAILABLE", 0),
		codes.DataLoss:           failure("DATA_LOSS", -1),
		codes.Unauthenticated:    success("UNAUTHENTICATED"),
		17:                       failure("UNKNOWN", -1),
		1 << 31:                  failure("UNKNOWN", -1),
	}
	for code, want := range want {
		for kind, err := range map[string]error{"status": status.Error(code, "x"), "wrapped": fmt.Errorf("x: %w", status.Error(code, "x"))} {
			got := judged(t.Context(), grpcclient.Wrapper{}, err)
			if got.Class != want.Class || got.Code != want.Code || got.After != want.After || got.Err != err || got.Reply != nil {
				t.Errorf("%s %v: %+v, want %+v", kind, code, got, want)
			}
		}
	}
	for err, want := range map[error]holdfast.Result{
		errors.New("plain"):      failure("UNKNOWN", -1),
		context.DeadlineExceeded: failure("DEADLINE_EXCEEDED", -1), // an interceptor's own limit
		context.Canceled:         failure("CANCELLED", 0),
	} {
		if got := judged(t.Context(), grpcclient.Wrapper{}, err); got.Class != want.Class || got.Code != want.Code || got.After != want.After {
			t.Errorf("%v: %+v, want %+v", err, got, want)
		}
	}
	if got := judged(t.Context(), grpcclient.Wrapper{}, nil); got.Class != holdfast.Success || got.Code != "OK" || got.Err != nil || got.Reply == nil {
		t.Errorf("OK: %+v", got)
	}
}

// Who ended the context says what an error means; a server that has answered for
// itself all the same has answered.
func TestTheContextSpeaksFirst(t *testing.T) {
	type ended struct {
		ran   time.Duration
		cause error // nil: a deadline passes; a TimeoutError: a limit of the call
	}
	foreign := &holdfast.TimeoutError{Limit: time.Second, Scope: "attempt"}
	for name, c := range map[string]struct {
		ended ended
		class holdfast.Class
		code  holdfast.Code
	}{
		"cancelled":                {ended{time.Hour, context.Canceled}, holdfast.Ignored, "cancelled"},
		"superseded":               {ended{time.Hour, holdfast.ErrSuperseded}, holdfast.Ignored, "superseded"},
		"somebody else's limit":    {ended{time.Hour, foreign}, holdfast.Ignored, "cancelled"},
		"our limit":                {ended{time.Second, &holdfast.TimeoutError{Limit: time.Second, Scope: "attempt"}}, holdfast.Failure, "timeout"},
		"our limit, no chance":     {ended{0, &holdfast.TimeoutError{Limit: time.Second, Scope: "call"}}, holdfast.Ignored, "timeout"},
		"their deadline":           {ended{time.Second, nil}, holdfast.Failure, "deadline"},
		"their deadline, too near": {ended{10 * time.Millisecond, nil}, holdfast.Ignored, "deadline"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				for code := codes.Canceled; code <= codes.Unauthenticated; code++ {
					ctx, cancel := context.WithCancelCause(t.Context())
					cause := c.ended.cause
					end := func(call *holdfast.Call) {
						pass(c.ended.ran)
						if limit, ok := cause.(*holdfast.TimeoutError); ok && limit != foreign {
							cause = call.TimedOut(limit.Limit, limit.Scope)
						}
						cancel(cause)
					}
					if c.ended.cause == nil {
						var stop context.CancelFunc
						ctx, stop = context.WithTimeout(ctx, c.ended.ran)
						defer stop()
						end = func(*holdfast.Call) { pass(c.ended.ran); synctest.Wait() }
					}
					p := &probe{}
					err := all.Unary(p)(ctx, get, nil, nil, nil, func(ctx context.Context, _ string, _, _ any, _ *grpc.ClientConn, _ ...grpc.CallOption) error {
						end(holdfast.CallFrom(ctx))
						return status.Error(code, "what gRPC says")
					})
					cancel(nil)
					got, table := p.results[0], judged(t.Context(), all, status.Error(code, "x"))
					if table.Class == holdfast.Success {
						if got.Class != table.Class || got.Code != table.Code {
							t.Errorf("%v: %+v, want the server's answer", code, got)
						}
						continue
					}
					if got.Class != c.class || got.Code != c.code || got.After != 0 {
						t.Errorf("%v: %+v, want %v and %q", code, got, c.class, c.code)
					}
					_, ours := cause.(*holdfast.TimeoutError)
					if ours = ours && cause != foreign && (code == codes.Canceled || code == codes.DeadlineExceeded); !ours {
						if status.Code(err) != code {
							t.Errorf("%v became %v", code, err)
						}
						continue
					}
					if st := status.Convert(err); st.Code() != codes.DeadlineExceeded || st.Message() != cause.Error()+": what gRPC says" || !errors.Is(err, cause) {
						t.Errorf("%v: %v, want the limit and what gRPC said", code, st)
					}
				}
			})
		})
	}
}

// What was never sent says nothing about a server, whoever ended the context and
// however long ago.
func TestWhatIsNotSentIsIgnored(t *testing.T) {
	limit := &holdfast.TimeoutError{Limit: time.Nanosecond, Scope: "attempt"}
	for code, cause := range map[holdfast.Code]error{"cancelled": context.Canceled, "superseded": holdfast.ErrSuperseded, "timeout": limit} {
		ctx, cancel := context.WithCancelCause(t.Context())
		if cause == limit {
			var stop context.CancelFunc
			ctx, stop = context.WithDeadlineCause(ctx, time.Now(), cause)
			defer stop()
		}
		cancel(cause)
		short := holdfast.PolicyFunc(func(next holdfast.Handler) holdfast.Handler {
			return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
				call.Limit(time.Nanosecond) // which has run out as soon as it began
				return next(ctx, call)
			}
		})
		p := &probe{}
		_ = all.Unary(p, short)(ctx, get, nil, nil, nil, returning(nil))
		_, _ = all.Stream(p, short)(ctx, chatDesc, nil, chat, nil)
		s, _ := all.Stream(p, short)(ctx, listDesc, nil, list, nil)
		_ = s.RecvMsg(new(message))
		for _, res := range p.results {
			if res.Class != holdfast.Ignored || res.Code != code || res.Err == nil {
				t.Errorf("%s: %+v", code, res)
			}
		}
	}
}

func TestClassifyOverrulesTheTable(t *testing.T) {
	asked := 0
	w := grpcclient.Wrapper{
		Repeatable: func(string) bool { return true },
		Classify: func(method string, s *status.Status) (holdfast.Verdict, bool) {
			asked++
			if method != get {
				t.Errorf("asked about %q", method)
			}
			return holdfast.Verdict{Class: holdfast.Refused}, s.Code() == codes.Aborted
		},
	}
	if got := judged(t.Context(), w, status.Error(codes.Aborted, "x")); got.Class != holdfast.Refused || got.Code != "ABORTED" || got.After != 0 {
		t.Errorf("overruled: %+v", got)
	}
	if got := judged(t.Context(), w, status.Error(codes.Internal, "x")); got.Class != holdfast.Failure || got.After != -1 {
		t.Errorf("left alone: %+v", got)
	}
	asked = 0
	ctx, cancel := context.WithCancel(t.Context())
	p := &probe{}
	_ = w.Unary(p)(ctx, get, nil, nil, nil, func(context.Context, string, any, any, *grpc.ClientConn, ...grpc.CallOption) error {
		cancel()
		return status.Error(codes.Unavailable, "x")
	})
	if judged(t.Context(), w, nil); asked != 0 {
		t.Errorf("asked about OK, or about an attempt that the caller ended")
	}
}

// The server has the deadline too, and its reset can be here before our own timer has run:
// it is a deadline all the same, and nobody waits for the timer.
func TestADeadlineThatTheServerSeesFirst(t *testing.T) {
	bubble(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		p, start := &probe{}, time.Now()
		err := all.Unary(p)(early{ctx, time.Now().Add(time.Second)}, get, nil, nil, nil, func(context.Context, string, any, any, *grpc.ClientConn, ...grpc.CallOption) error {
			pass(time.Second)
			return status.Error(codes.DeadlineExceeded, "stream terminated by RST_STREAM with error code: CANCEL")
		})
		if took := time.Since(start); took != time.Second || p.results[0].Code != holdfast.CodeDeadline || status.Code(err) != codes.DeadlineExceeded {
			t.Errorf("%+v, %v after %v", p.results[0], err, took)
		}
	})
}

// An early is a context whose deadline is before its end.
type early struct {
	context.Context
	deadline time.Time
}

func (e early) Deadline() (time.Time, bool) { return e.deadline, true }
