package grpcclient

import (
	"context"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/holdfast-go/holdfast"
)

// codeConfig names, in a Result, that a chain is built wrongly.
const codeConfig = "config"

// A verdict is what a status code says of an attempt.
type verdict struct {
	code  string // as gRPC's specification writes it
	class holdfast.Class
	after time.Duration
}

// verdicts is the one table of status codes. A code beyond it counts as Unknown.
//
// Success is every answer of a server that has understood the call and speaks for
// itself, Aborted and FailedPrecondition included: the call as it stands would
// fare no better. A Failure with after < 0 may have been anything, also a bug
// that a repeat only hits again, or work that was done; gRPC's own
// retry policies leave them alone too. ResourceExhausted is also what gRPC itself
// says of a message over the size limit, so it is not repeated without a word
// from the server.
var verdicts = [...]verdict{
	codes.OK:                 {"OK", holdfast.Success, 0},
	codes.Canceled:           {"CANCELLED", holdfast.Ignored, 0},
	codes.Unknown:            {"UNKNOWN", holdfast.Failure, -1},
	codes.InvalidArgument:    {"INVALID_ARGUMENT", holdfast.Success, 0},
	codes.DeadlineExceeded:   {"DEADLINE_EXCEEDED", holdfast.Failure, -1},
	codes.NotFound:           {"NOT_FOUND", holdfast.Success, 0},
	codes.AlreadyExists:      {"ALREADY_EXISTS", holdfast.Success, 0},
	codes.PermissionDenied:   {"PERMISSION_DENIED", holdfast.Success, 0},
	codes.ResourceExhausted:  {"RESOURCE_EXHAUSTED", holdfast.Overload, -1},
	codes.FailedPrecondition: {"FAILED_PRECONDITION", holdfast.Success, 0},
	codes.Aborted:            {"ABORTED", holdfast.Success, 0},
	codes.OutOfRange:         {"OUT_OF_RANGE", holdfast.Success, 0},
	codes.Unimplemented:      {"UNIMPLEMENTED", holdfast.Success, 0},
	codes.Internal:           {"INTERNAL", holdfast.Failure, -1},
	codes.Unavailable:        {"UNAVAILABLE", holdfast.Failure, 0},
	codes.DataLoss:           {"DATA_LOSS", holdfast.Failure, -1},
	codes.Unauthenticated:    {"UNAUTHENTICATED", holdfast.Success, 0},
}

// judge gives the verdict on an attempt of the method under ctx, the context that
// was passed on to gRPC, which carries its Call.
func (d *door) judge(ctx context.Context, method string, err error) verdict {
	if err == nil {
		return verdicts[codes.OK]
	}
	code := codeOf(err)
	if int(code) >= len(verdicts) {
		code = codes.Unknown
	}
	v := verdicts[code]
	// Who ended the context speaks before the error that came of it; but a server
	// that has answered for itself at the last moment has answered.
	if v.class != holdfast.Success {
		if why := holdfast.CodeOf(ctx, err); why != "error" {
			return verdict{code: why, class: holdfast.ClassOf(ctx, err)}
		}
	}
	if d.Classify != nil {
		if class, ok := d.Classify(method, status.Convert(err)); ok {
			return verdict{code: v.code, class: class}
		}
	}
	return v
}

// failed makes the Result of an attempt that came to an error. The error is the
// transport's own, unless a limit of ours has ended the attempt.
//
// trailer is what the server sent at its end, and on says that it was on a
// connection.
func (d *door) failed(ctx context.Context, method string, err error, trailer metadata.MD, on bool) holdfast.Result {
	lapse(ctx)
	v := d.judge(ctx, method, err)
	s := status.Convert(err)
	if v.class == holdfast.Failure && v.code == "UNAVAILABLE" && d.Classify == nil && neverSent(s, on) {
		v.class = holdfast.Refused
	}
	v = wished(v, s, trailer)
	return holdfast.Result{Err: inTimeOf(ctx, err), Class: v.class, Code: v.code, After: v.after}
}

// lapse lets a context end whose deadline has passed. The server has the same
// deadline, and the stream that it resets for it can be here before our own timer
// has run; but whose deadline it was only the context's cause can tell.
func lapse(ctx context.Context) {
	deadline, ok := ctx.Deadline()
	if !ok || ctx.Err() != nil || time.Now().Before(deadline) {
		return
	}
	enough := time.NewTimer(time.Second) // for a context that does not keep its deadline
	defer enough.Stop()
	select {
	case <-ctx.Done():
	case <-enough.C:
	}
}

// codeOf returns the status code of any error: also of a plain one, which an
// interceptor further in may return.
func codeOf(err error) codes.Code {
	if s := inside(err); s != nil {
		return s.Code()
	}
	return status.FromContextError(err).Code()
}
