package grpcclient

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/holdfast-go/holdfast"
)

// A statusError reads like err and unwraps to it, and is a gRPC status besides.
type statusError struct {
	err    error
	status *status.Status
}

// Error is err's text; that of the last attempt alone where that was a server's
// status, which arrives as it was sent: the attempts are in its details, and in err.
func (e *statusError) Error() string {
	if last := lastOf(e.err); own(last) != nil {
		return last.Error()
	}
	return e.err.Error()
}
func (e *statusError) Unwrap() error              { return e.err }
func (e *statusError) GRPCStatus() *status.Status { return e.status }

type carrier interface{ GRPCStatus() *status.Status }

// own returns the status that err itself is, and nil when it is none. A status
// of OK is none: it would make a success of an error.
func own(err error) *status.Status {
	if c, ok := err.(carrier); ok {
		if s := c.GRPCStatus(); s.Code() != codes.OK {
			return s
		}
	}
	return nil
}

// inside returns the status that err is or wraps, or nil.
func inside(err error) *status.Status {
	if s := own(err); s != nil {
		return s
	}
	var c carrier
	if errors.As(err, &c) {
		if s := c.GRPCStatus(); s.Code() != codes.OK {
			return s
		}
	}
	return nil
}

// settle makes what the caller gets of the error that the policies returned. ctx
// is the caller's, and last the error of the last attempt.
func settle(ctx context.Context, res holdfast.Result, last error) error {
	if own(res.Err) != nil || same(res.Err, last) {
		return res.Err
	}
	return &statusError{res.Err, statusOf(ctx, res, last)}
}

// same is a == b that does not panic on an error that cannot be compared.
func same(a, b error) bool {
	return b != nil && reflect.TypeOf(a) == reflect.TypeOf(b) && reflect.ValueOf(a).Comparable() && a == b
}

// statusOf gives an error that is not itself a status the one it stands for.
func statusOf(ctx context.Context, res holdfast.Result, last error) *status.Status {
	err := res.Err
	var ledger holdfast.Ledger
	for {
		attempts, ok := err.(*holdfast.AttemptsError)
		if !ok || attempts.Err == nil {
			break
		}
		ledger = attempts.Ledger
		if err = attempts.Err; own(err) != nil {
			return withLedger(own(err), ledger) // the last attempt's code, message and details
		}
		if same(err, last) {
			return withLedger(status.FromContextError(err), ledger) // what gRPC makes of an interceptor's plain error
		}
	}
	answered := inside(err)
	var code codes.Code
	var overload interface{ Overloaded() bool }
	switch over := ctx.Err(); {
	// A wait that was cut short is the end of its context, and the last attempt's
	// error as well; the caller's own end comes first of all.
	case over != nil && errors.Is(err, over):
		code = status.FromContextError(over).Code()
	case errors.Is(err, context.DeadlineExceeded):
		code = codes.DeadlineExceeded
	case errors.Is(err, context.Canceled):
		code = codes.Canceled
	case answered != nil:
		return withLedger(answered, ledger)
	case errors.As(err, &overload) && overload.Overloaded():
		code = codes.ResourceExhausted
	case res.Code == codeConfig:
		code = codes.Internal
	default:
		code = codes.Unavailable
	}
	s := status.New(code, err.Error())
	if answered != nil && len(answered.Proto().GetDetails()) > 0 {
		p := s.Proto()
		p.Details = answered.Proto().GetDetails() // what the last server said survives
		s = status.FromProto(p)
	}
	return withLedger(s, ledger)
}

// withLedger adds the ledger to the details of a status, after those of the
// server: a google.rpc.DebugInfo with an entry for each attempt.
func withLedger(s *status.Status, l holdfast.Ledger) *status.Status {
	if len(l.Attempts) == 0 {
		return s
	}
	info := &errdetails.DebugInfo{}
	for _, a := range l.Attempts {
		info.StackEntries = append(info.StackEntries, holdfast.Ledger{Attempts: []holdfast.Attempt{a}}.String())
	}
	if l.Stopped != "" {
		info.Detail = "holdfast: stopped: " + l.Stopped
	}
	with, err := s.WithDetails(info)
	if err != nil {
		return s
	}
	return with
}

// overError says, as a status, why ctx is over.
func overError(ctx context.Context) error {
	err, cause := ctx.Err(), context.Cause(ctx)
	if limit, ours := cause.(*holdfast.TimeoutError); ours {
		return &statusError{limit, status.New(codes.DeadlineExceeded, limit.Error())}
	}
	code := status.FromContextError(err).Code()
	if cause != nil && !errors.Is(err, cause) {
		err = fmt.Errorf("%w: %w", err, cause)
	}
	return &statusError{err, status.New(code, err.Error())}
}

// inTimeOf tells a limit of ours from the caller's deadline and cancel, which
// gRPC does not: it returns the limit, as a status, where one has ended the
// attempt, and else err. What gRPC was waiting for is kept in the message.
func inTimeOf(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		return err
	}
	limit, ours := context.Cause(ctx).(*holdfast.TimeoutError)
	if code := codeOf(err); !ours || code != codes.Canceled && code != codes.DeadlineExceeded {
		return err
	}
	s := status.Convert(err)
	message := limit.Error()
	switch m := s.Message(); {
	case m == "", m == message, m == context.DeadlineExceeded.Error(), m == context.Canceled.Error():
	case strings.HasPrefix(m, "stream terminated by RST_STREAM"): // the server's deadline, which is this one
	default:
		message += ": " + m
	}
	p := s.Proto()
	p.Code, p.Message = int32(codes.DeadlineExceeded), message
	return &statusError{fmt.Errorf("%w%s", limit, message[len(limit.Error()):]), status.FromProto(p)}
}
