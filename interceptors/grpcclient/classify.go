package grpcclient

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/status"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/rpccode"
)

// verdicts is the one table of status codes, by their numbers; their names are those of
// rpccode.Name. A code beyond it counts as Unknown.
//
// Success is every answer of a server that has understood the call and speaks for
// itself, Aborted and FailedPrecondition included: the call as it stands would
// fare no better. A Failure with after < 0 may have been anything, also a bug
// that a repeat only hits again, or work that was done; gRPC's own
// retry policies leave them alone too. ResourceExhausted is also what servers say of a
// message over their size limit, so it is not repeated without a word from the server.
// Canceled is here for a stream that the other side has ended: the caller's own cancel is
// known by its context.
var verdicts = [...]struct {
	class holdfast.Class
	after time.Duration
}{
	codes.OK:                 {holdfast.Success, 0},
	codes.Canceled:           {holdfast.Failure, 0},
	codes.Unknown:            {holdfast.Failure, -1},
	codes.InvalidArgument:    {holdfast.Success, 0},
	codes.DeadlineExceeded:   {holdfast.Failure, -1},
	codes.NotFound:           {holdfast.Success, 0},
	codes.AlreadyExists:      {holdfast.Success, 0},
	codes.PermissionDenied:   {holdfast.Success, 0},
	codes.ResourceExhausted:  {holdfast.Overload, -1},
	codes.FailedPrecondition: {holdfast.Success, 0},
	codes.Aborted:            {holdfast.Success, 0},
	codes.OutOfRange:         {holdfast.Success, 0},
	codes.Unimplemented:      {holdfast.Success, 0},
	codes.Internal:           {holdfast.Failure, -1},
	codes.Unavailable:        {holdfast.Failure, 0},
	codes.DataLoss:           {holdfast.Failure, -1},
	codes.Unauthenticated:    {holdfast.Success, 0},
}

// tabled is what the table says of a status code.
func tabled(code codes.Code) holdfast.Verdict {
	if int(code) >= len(verdicts) {
		code = codes.Unknown
	}
	v := verdicts[code]
	return holdfast.Verdict{Class: v.class, Code: holdfast.Code(rpccode.Name(uint32(code))), After: v.after}
}

// An rpc is one call as gRPC is given it, whatever its kind.
type rpc struct {
	door *door
	cc   *grpc.ClientConn
	of   *holdfast.Call // names the method; nil: there is none
	opts []grpc.CallOption
}

// failed makes the Result of an attempt under ctx, the context that was passed on to
// gRPC, which came to an error. The error is the transport's own, unless a limit of ours
// has ended the attempt.
func (r *rpc) failed(ctx context.Context, err error, at arrival) holdfast.Result {
	v := r.judge(ctx, err, at)
	if err = inTimeOf(ctx, err); v.Code == holdfast.CodeTimeout && statusIn(err).Code() == codes.Canceled {
		err = &statusError{fmt.Errorf("%w: %w", context.DeadlineExceeded, err), status.New(codes.DeadlineExceeded, err.Error())}
	}
	return holdfast.Result{Err: err, Class: v.Class, Code: v.Code, After: v.After}
}

// judge gives the verdict on an error of an attempt. It is also asked by the balancer, on
// behalf of the node.
func (r *rpc) judge(ctx context.Context, err error, at arrival) holdfast.Verdict {
	s := statusIn(err)
	v := tabled(s.Code())
	local, isLocal := r.local(s, at)
	// Who ended the context speaks before the error that came of it; but a server
	// that has answered for itself at the last moment has answered, and no server is
	// to blame for time in which nothing could be sent.
	if v.Class != holdfast.Success || isLocal {
		ended := holdfast.VerdictOf(ctx, err)
		if ended.Code != holdfast.CodeError && !(isLocal && ended.Class.Server() == holdfast.Unhealthy) {
			return wished(holdfast.Verdict{Class: ended.Class, Code: ended.Code}, s, at.trailer)
		}
		if at.overdue(s) {
			if call := holdfast.CallFrom(ctx); call != nil {
				return wished(holdfast.Verdict{Class: call.OutOfTime(), Code: holdfast.CodeTimeout}, s, at.trailer)
			}
		}
		if r.closed() {
			return holdfast.Verdict{Class: holdfast.Ignored, Code: v.Code}
		}
	}
	if isLocal {
		return local
	}
	classified := false
	if r.door.Classify != nil {
		if said, ok := r.door.Classify(r.of.Method, s); ok {
			v, classified = holdfast.Verdict{Class: said.Class, Code: cmp.Or(said.Code, v.Code), After: said.After}, true
		}
	}
	if !classified && s.Code() == codes.Unavailable && at.refused(s) {
		v.Class = holdfast.Refused
	}
	if r.door.relayed(r.cc, v, at) {
		v.Class = holdfast.Relayed
	}
	switch {
	case classified && v.After < 0:
		v.After = holdfast.Never // whoever classifies it knows for certain
	case classified && v.After > 0:
	default:
		v = wished(v, s, at.trailer)
	}
	return v
}

// closed reports whether this process itself has closed the connection.
func (r *rpc) closed() bool { return r.cc != nil && r.cc.GetState() == connectivity.Shutdown }

// statusIn returns the status of any error: also of a plain one, which an interceptor
// further in may return.
func statusIn(err error) *status.Status {
	if s := inside(err); s != nil {
		return s
	}
	return status.FromContextError(err)
}
