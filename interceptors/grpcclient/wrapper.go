package grpcclient

import (
	"context"
	"errors"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/option"
)

// defaultReplayCap is the ReplayCap of the zero Wrapper, in bytes. It is that of
// gRPC's own retry.
const defaultReplayCap = 256 << 10

// A Wrapper makes interceptors. The zero Wrapper is ready, and repeats nothing
// that a server may have acted upon.
type Wrapper struct {
	// Repeatable says whether sending a call of the method ("/users.v1.Users/Get")
	// twice does no harm. nil: no method is such. It is asked once for each call,
	// on the caller's goroutine, and must be safe for concurrent use.
	Repeatable func(fullMethod string) bool

	// ReplayCap is the size in bytes up to which the request of a server-streaming
	// call is kept, to be sent again: 0 means 256 KiB; negative:
	// none is kept, and every such call is sent once, when its request is.
	ReplayCap int

	// Classify overrules the table of status codes, where it returns true: for a
	// server that means something else by a code. Its Verdict holds; with an empty Code
	// it is named by the status code, and where After is zero the server's own wish
	// counts. What it calls a Failure, an Overload, Refused or a Conflict can be repeated
	// as any other. It is not asked about attempts that the caller, a time limit or
	// another attempt has ended, nor about what could not be sent or taken here, nor
	// about OK. nil: the table alone. It runs on the goroutine that reads the answer,
	// once more for the node where Balancer is in use, and must be safe for concurrent
	// use.
	Classify func(fullMethod string, s *status.Status) (v holdfast.Verdict, ok bool)

	// TrustOrigin says of which targets ("dns:///users.internal:443") the word is
	// believed that a failure is another service's: a failed answer that names one in
	// its trailer, by "holdfast-origin", is Relayed, and counts against neither circuit nor
	// node. nil: nobody is believed. It must be safe for concurrent use.
	TrustOrigin func(target string) bool

	// LedgerInStatus has the status of a call that took several attempts carry them as
	// its last detail, a google.rpc.DebugInfo with an entry for each and the address that
	// it was sent to. A handler that returns its client's error passes them on, so leave
	// it off in what has callers outside. errors.As to *holdfast.AttemptsError finds them
	// in any case.
	LedgerInStatus bool

	// Fallback answers a unary call that came to an error when all policies are through
	// with it: from a cache, with a default. What it returns is copied into the
	// caller's reply, must be of that type, and the call succeeds; with an error, or
	// with neither, the call keeps its own error. It is asked on the caller's
	// goroutine, with the caller's context, and must be safe for concurrent use.
	Fallback func(ctx context.Context, fullMethod string, req any, err error) (reply any, fallbackErr error)

	// WaitForReady says whether calls of a method wait for a connection instead of
	// failing at once, where said is true and the call's own options say nothing:
	// preset.ServiceConfig has one. nil: gRPC's default, which is not to wait.
	WaitForReady func(fullMethod string) (wait, said bool)

	// NoNativeRetry says that the client was made with grpc.WithDisableRetry, which
	// an interceptor cannot see; DialOptions does both. Without it, a method whose
	// service config has a retryPolicy is left to gRPC: its failures are not
	// repeated here and its calls not hedged, so that attempts never multiply.
	NoNativeRetry bool
	// OnNativeRetry is told of such a method, once, by a "native_retry" (holdfast.Event)
	// with the context of the attempt that has shown it; of all methods past the first
	// thousand once, as of one whose name is "other". nil: nobody is. It must be safe for
	// concurrent use.
	OnNativeRetry func(ctx context.Context, e holdfast.Event)
}

// A door is a Wrapper with its policies.
type door struct {
	Wrapper
	handle     holdfast.Handler
	toldNative told // of methods that gRPC itself repeats
}

func (w Wrapper) filled() Wrapper {
	w.ReplayCap = option.Of(w.ReplayCap, defaultReplayCap, option.Off)
	return w
}

func (w Wrapper) door(policies []holdfast.Policy) *door {
	return &door{Wrapper: w.filled(), handle: holdfast.Chain(policies...)}
}

// ready puts what WaitForReady says before the call's own options, which overrule it.
func (d *door) ready(method string, opts []grpc.CallOption) []grpc.CallOption {
	if d.WaitForReady == nil {
		return opts
	}
	if wait, said := d.WaitForReady(method); said {
		return append([]grpc.CallOption{grpc.WaitForReady(wait)}, opts...)
	}
	return opts
}

func (d *door) repeatable(method string) bool { return d.Repeatable != nil && d.Repeatable(method) }

// targetOf names the server for policies: what the ClientConn was made for.
func targetOf(cc *grpc.ClientConn) string {
	if cc == nil { // as in the tests of other interceptors
		return ""
	}
	return cc.Target()
}

var errNoContext = status.Error(codes.Internal, "grpcclient: the context is nil")

// errOverlap answers the second of two attempts at once that is no hedge. Both
// would write to the caller's reply.
var errOverlap = errors.New("grpcclient: another attempt of this call is under way, and this one is not marked as a hedge (Call.Hedge)")

// errForeign answers a policy that made a Reply, which only doors may do.
var errForeign = errors.New("grpcclient: a policy returned a Reply that it did not get from this call")

// errNothing answers a policy that returned nothing at all.
var errNothing = errors.New("grpcclient: a policy returned a Result with neither a Reply nor an error")

func overlapping(call *holdfast.Call) holdfast.Result {
	call.Unsent()
	return holdfast.Result{Err: errOverlap, Class: holdfast.LocalFault, Code: holdfast.CodeConfig}
}

// notSent answers an attempt whose context is over before it began. No server
// was asked, so it says nothing about one.
func notSent(ctx context.Context, call *holdfast.Call) holdfast.Result {
	call.Unsent()
	err := overError(ctx)
	return holdfast.Result{Err: err, Class: holdfast.Ignored, Code: holdfast.VerdictOf(ctx, err).Code}
}
