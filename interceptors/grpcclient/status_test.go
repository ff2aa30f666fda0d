package grpcclient_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/interceptors/grpcclient"
	"github.com/holdfast-go/holdfast/retry"
	"github.com/holdfast-go/holdfast/timeout"
)

var errOpen = errors.New("the breaker is open")

// errTooMany is what a limit turns a call away with.
var errTooMany = errors.New("too many calls")

type foreign struct{ discarded *int }

func (f foreign) Discard()                   { *f.discarded++ }
func (foreign) OnDone(holdfast.Hook, uint64) {}

// T73: every error that is made here is a gRPC status, with the code that says
// whose it is, and errors.Is and errors.As see what is beneath.
func TestT73_OwnErrorsAreStatuses(t *testing.T) {
	discarded := 0
	cancelled, cancel := context.WithCancelCause(t.Context())
	cancel(errOpen)
	expired, cancel2 := context.WithDeadline(t.Context(), time.Now().Add(-time.Hour))
	defer cancel2()
	limit := &holdfast.TimeoutError{Limit: time.Second, Scope: "call"}
	wrapped := status.Error(codes.NotFound, "no such user")
	for name, c := range map[string]struct {
		ctx    context.Context
		policy holdfast.Policy
		code   codes.Code
		is     error
	}{
		"rejection":            {nil, answering(holdfast.Result{Err: errOpen}), codes.Unavailable, errOpen},
		"rejection as refused": {nil, answering(holdfast.Result{Err: errOpen, Class: holdfast.Refused}), codes.Unavailable, errOpen},
		"too many":             {nil, answering(holdfast.Result{Err: errTooMany, Code: holdfast.CodeLimited}), codes.ResourceExhausted, errTooMany},
		"not too many":         {nil, answering(holdfast.Result{Err: errTooMany, Code: "tenant"}), codes.Unavailable, errTooMany},
		"our limit":            {nil, answering(holdfast.Result{Err: limit}), codes.DeadlineExceeded, limit},
		"our limit, in words":  {nil, answering(holdfast.Result{Err: fmt.Errorf("x: %w", limit)}), codes.DeadlineExceeded, context.DeadlineExceeded},
		"a deadline":           {nil, answering(holdfast.Result{Err: context.DeadlineExceeded}), codes.DeadlineExceeded, context.DeadlineExceeded},
		"a cancel":             {nil, answering(holdfast.Result{Err: context.Canceled}), codes.Canceled, context.Canceled},
		"a status":             {nil, answering(holdfast.Result{Err: wrapped}), codes.NotFound, wrapped},
		"a wrapped status":     {nil, answering(holdfast.Result{Err: fmt.Errorf("cache: %w", wrapped)}), codes.NotFound, wrapped},
		"a status of OK":       {nil, answering(holdfast.Result{Err: fine{}}), codes.Unavailable, fine{}},
		"several attempts":     {nil, answering(holdfast.Result{Err: &holdfast.AttemptsError{Err: errOpen}}), codes.Unavailable, errOpen},
		"attempts without one": {nil, answering(holdfast.Result{Err: &holdfast.AttemptsError{}}), codes.Unavailable, nil},
		"foreign reply":        {nil, answering(holdfast.Result{Reply: foreign{&discarded}, Class: holdfast.Success}), codes.Internal, nil},
		"nothing":              {nil, answering(holdfast.Result{}), codes.Internal, nil},
		"nil handler":          {nil, holdfast.PolicyFunc(func(holdfast.Handler) holdfast.Handler { return nil }), codes.Internal, nil},
		"caller cancelled":     {cancelled, again(3), codes.Canceled, context.Canceled},
		"the caller's cause":   {cancelled, again(3), codes.Canceled, errOpen},
		"caller's deadline":    {expired, again(3), codes.DeadlineExceeded, context.DeadlineExceeded},
		"and a rejection":      {cancelled, answering(holdfast.Result{Err: errOpen}), codes.Unavailable, errOpen},
	} {
		t.Run(name, func(t *testing.T) {
			sent := 0
			invoker := func(context.Context, string, any, any, *grpc.ClientConn, ...grpc.CallOption) error {
				sent++
				return nil
			}
			streamer := func(context.Context, *grpc.StreamDesc, *grpc.ClientConn, string, ...grpc.CallOption) (grpc.ClientStream, error) {
				sent++
				return nil, errors.New("sent")
			}
			ctx := c.ctx
			if ctx == nil {
				ctx = t.Context()
			}
			check := func(kind string, err error) {
				t.Helper()
				if st, ok := status.FromError(err); !ok || st.Code() != c.code || status.Code(err) != c.code || st.Message() == "" {
					t.Errorf("%s: %v (%v), want %v", kind, err, st, c.code)
				}
				if _, ok := err.(interface{ GRPCStatus() *status.Status }); !ok {
					t.Errorf("%s: %T is not a status itself", kind, err)
				}
				if c.is != nil && !errors.Is(err, c.is) {
					t.Errorf("%s: %v is no %v", kind, err, c.is)
				}
			}
			var finished []error
			done := grpc.OnFinish(func(err error) { finished = append(finished, err) })
			check("unary", all.Unary(c.policy)(ctx, get, say("x"), new(message), nil, invoker, done))
			intercept := all.Stream(c.policy)
			stream, err := intercept(ctx, listDesc, nil, list, streamer, done)
			if err != nil {
				t.Fatal(err)
			}
			_ = stream.SendMsg(say("x"))
			err = stream.RecvMsg(new(message))
			check("server stream", err)
			if md, err := stream.Header(); md != nil || err != nil || stream.Trailer() != nil || stream.Context() != ctx {
				t.Errorf("after the failure: header %v, %v, trailer %v", md, err, stream.Trailer())
			}
			if again := stream.RecvMsg(new(message)); again != err {
				t.Errorf("the second RecvMsg says %v", again)
			}
			for _, desc := range []*grpc.StreamDesc{putDesc, chatDesc} {
				stream, err := intercept(ctx, desc, nil, chat, streamer, done)
				if stream != nil {
					t.Errorf("there is a stream besides the error")
				}
				check(desc.StreamName, err)
			}
			if sent != 0 {
				t.Errorf("%d attempts were sent", sent)
			}
			if len(finished) != 4 {
				t.Errorf("OnFinish ran %d times for 4 calls", len(finished))
			}
		})
	}
	if discarded != 4 {
		t.Errorf("the foreign Reply was discarded %d times, want once for each of 4 calls", discarded)
	}
}

// fine is an error that claims to be a status of OK.
type fine struct{}

func (fine) Error() string              { return "all is well" }
func (fine) GRPCStatus() *status.Status { return nil }

// T73: so are those of the policies of this module, over a real connection.
func TestT73_LimitsAreStatuses(t *testing.T) {
	attempt := holdfast.PolicyFunc(func(next holdfast.Handler) holdfast.Handler {
		return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
			call.Record.Claim()
			return next(ctx, call)
		}
	})
	for name, c := range map[string]struct {
		policies []holdfast.Policy
		after    time.Duration
		scope    string
		message  string
	}{
		"call":             {[]holdfast.Policy{timeout.New(timeout.Options{Limit: 2 * time.Second})}, 2 * time.Second, "call", "holdfast: call timed out after 2s"},
		"attempt":          {[]holdfast.Policy{attempt, timeout.New(timeout.Options{Limit: time.Second})}, time.Second, "attempt", "holdfast: attempt timed out after 1s"},
		"several attempts": {[]holdfast.Policy{again(3), timeout.New(timeout.Options{Limit: time.Second})}, 3 * time.Second, "attempt", "holdfast: attempt timed out after 1s"},
		"both":             {[]holdfast.Policy{timeout.New(timeout.Options{Limit: 1500 * time.Millisecond}), again(3), timeout.New(timeout.Options{Limit: time.Second})}, 1500 * time.Millisecond, "call", "holdfast: call timed out after 1.5s"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := &service{
					get:  func(ctx context.Context, _ int, _ string) (string, error) { return "", hangs(ctx) },
					list: func(_ int, _ string, ss grpc.ServerStream) error { return hangs(ss.Context()) },
				}
				cc, stop := s.dial(t, through(all, c.policies...)...)
				defer stop()
				kinds := map[string]func() error{"unary": func() error { return cc.Invoke(t.Context(), get, say("x"), new(message)) }}
				if c.scope == "attempt" { // a whole limit does not hold for streams
					kinds["stream"] = func() error {
						_, err := read(lister(t, t.Context(), cc, "x"))
						return err
					}
				}
				for kind, call := range kinds {
					start := time.Now()
					err := call()
					if took := time.Since(start); took != c.after {
						t.Errorf("%s took %v, want %v", kind, took, c.after)
					}
					var limit *holdfast.TimeoutError
					st, ok := status.FromError(err)
					if !ok || st.Code() != codes.DeadlineExceeded || st.Message() != c.message {
						t.Errorf("%s: status %v, want %q", kind, st, c.message)
					}
					if !errors.As(err, &limit) || limit.Scope != c.scope || !errors.Is(err, context.DeadlineExceeded) {
						t.Errorf("%s: %v holds no limit of the %s", kind, err, c.scope)
					}
				}
			})
		})
	}
}

// The caller's own deadline and cancel give the status that gRPC gives, while an
// attempt is under way and while the policy waits for the next.
func TestTheCallersEndIsItsOwnStatus(t *testing.T) {
	slow := retry.New(retry.Options{InitialInterval: time.Hour, MaxInterval: time.Hour, Jitter: retry.Constant})
	for name, c := range map[string]struct {
		hang     bool
		attempt  time.Duration
		deadline bool
		code     codes.Code
		is       error
		details  int
	}{
		"cancel":                         {true, time.Minute, false, codes.Canceled, nil, 0},
		"deadline":                       {true, time.Minute, true, codes.DeadlineExceeded, nil, 0},
		"cancel in a wait":               {false, time.Minute, false, codes.Canceled, context.Canceled, 2},
		"cancel in a wait after a limit": {true, time.Second, false, codes.Canceled, context.Canceled, 1},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := &service{get: func(ctx context.Context, _ int, _ string) (string, error) {
					if c.hang {
						return "", hangs(ctx)
					}
					st, _ := status.New(codes.Unavailable, "down").WithDetails(&errdetails.ErrorInfo{Reason: "DOWN"})
					return "", st.Err()
				}}
				w := all
				w.LedgerInStatus = true
				cc, stop := s.dial(t, through(w, slow, timeout.New(timeout.Options{Limit: c.attempt}))...)
				defer stop()
				ctx, cancel := context.WithCancel(t.Context())
				if c.deadline {
					ctx, cancel = context.WithTimeout(t.Context(), 2*time.Second)
				} else {
					time.AfterFunc(2*time.Second, cancel)
				}
				defer cancel()
				start := time.Now()
				err := cc.Invoke(ctx, get, say("x"), new(message))
				if time.Since(start) != 2*time.Second || status.Code(err) != c.code {
					t.Errorf("%v after %v, want %v after 2s", err, time.Since(start), c.code)
				}
				if c.is == nil {
					return
				}
				if !errors.Is(err, c.is) {
					t.Errorf("%v is no %v", err, c.is)
				}
				st, _ := status.FromError(err)
				if len(st.Details()) != c.details {
					t.Errorf("want the details of the last attempt and the ledger: %v", st.Details())
				}
			})
		})
	}
}

// Without policies the door changes no error.
func TestTheBareDoorChangesNoError(t *testing.T) {
	for code := codes.Code(1); code < 20; code++ {
		want := status.Error(code, "as it came")
		invoker := func(context.Context, string, any, any, *grpc.ClientConn, ...grpc.CallOption) error { return want }
		if got := (grpcclient.Wrapper{}).Unary()(t.Context(), get, nil, nil, nil, invoker); got != want {
			t.Errorf("%v became %v", want, got)
		}
	}
}
