package grpcclient

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/rpccode"
)

// A statusError reads like err and unwraps to it, and is a gRPC status besides.
type statusError struct {
	err    error
	status *status.Status
}

// Error is the text of the last attempt's error alone: a handler that returns it, wrapped,
// sends this text to callers of its own, and the ledger has addresses in it. The attempts are
// in err, and in the details where LedgerInStatus is on.
func (e *statusError) Error() string {
	_, last := lastOf(e.err)
	return last.Error()
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

// A plainErrors says which attempts came to an error that is no status, as an interceptor
// further in may return one.
type plainErrors struct{ last atomic.Pointer[plainError] }

type plainError struct {
	attempt int
	before  *plainError
}

// note takes in what an attempt came to.
func (p *plainErrors) note(attempt int, err error) {
	if own(err) != nil {
		return
	}
	e := &plainError{attempt: attempt}
	for e.before = p.last.Load(); !p.last.CompareAndSwap(e.before, e); e.before = p.last.Load() { // hedges end at once
	}
}

func (p *plainErrors) of(attempt int) bool {
	e := p.last.Load()
	for e != nil && e.attempt != attempt {
		e = e.before
	}
	return e != nil
}

// settle makes what the caller gets of the error that the policies returned. ctx
// is the caller's.
func (d *door) settle(ctx context.Context, res holdfast.Result, p *plainErrors) error {
	several := errors.As(res.Err, new(*holdfast.AttemptsError))
	if own(res.Err) != nil || p.of(res.Attempt) && !several {
		return res.Err // one attempt's, as it came
	}
	ledger, err := lastOf(res.Err)
	s := statusOf(ctx, res, err, p)
	if d.LedgerInStatus {
		s = withLedger(s, ledger)
	}
	return &statusError{res.Err, s}
}

// codeFor names the status that the caller gets with an error.
func codeFor(err error) holdfast.Code { return holdfast.Code(rpccode.Name(uint32(status.Code(err)))) }

// lastOf is the error of the last attempt that a server has had in that of several, and
// the ledger.
func lastOf(err error) (ledger holdfast.Ledger, last error) {
	var attempts *holdfast.AttemptsError
	for last = err; errors.As(last, &attempts) && attempts.Err != nil; {
		last, ledger = attempts.Err, attempts.Ledger
	}
	return ledger, last
}

// statusOf gives a Result whose error is not itself a status the one that it stands for. err
// is the error without the ledger.
func statusOf(ctx context.Context, res holdfast.Result, err error, p *plainErrors) *status.Status {
	if s := own(err); s != nil {
		return s // the last attempt's code, message and details
	}
	if p.of(res.Attempt) {
		return statusIn(err) // of an interceptor further in: what the attempt was judged by
	}
	answered := inside(err)
	var code codes.Code
	switch over := ctx.Err(); {
	// An attempt or a wait that was cut short is the end of its context, and the last
	// attempt's error as well; the caller's own end comes first of all.
	case over != nil && errors.Is(err, over):
		code = codeOver(ctx)
	case errors.Is(err, context.DeadlineExceeded):
		code = codes.DeadlineExceeded
	case errors.Is(err, context.Canceled):
		code = codes.Canceled
	case answered != nil:
		return answered
	default:
		code = rejected(res.Code)
	}
	if answered != nil && answered.Code() == code {
		return answered // which says it already
	}
	s := status.New(code, err.Error())
	if details := answered.Proto().GetDetails(); len(details) > 0 {
		p := s.Proto()
		p.Details = details // what the last server said survives
		s = status.FromProto(p)
	}
	return s
}

// rejected is the status code of what a policy has rejected, by the name that it gives to
// that.
func rejected(code holdfast.Code) codes.Code {
	switch c := codes.Code(rpccode.Number(code)); {
	case code == holdfast.CodeError, c == codes.OK:
		return codes.Unavailable
	default:
		return c
	}
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

// codeOver is the status code of what has ended ctx.
func codeOver(ctx context.Context) codes.Code {
	if holdfast.RanOut(ctx) != nil {
		return codes.DeadlineExceeded
	}
	return status.FromContextError(ctx.Err()).Code()
}

// overError says, as a status, why ctx is over.
func overError(ctx context.Context) error {
	err, cause := ctx.Err(), context.Cause(ctx)
	if limit := holdfast.RanOut(ctx); limit != nil {
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
	limit := holdfast.RanOut(ctx)
	s := statusIn(err)
	if code := s.Code(); limit == nil || code != codes.Canceled && code != codes.DeadlineExceeded {
		return err
	}
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
