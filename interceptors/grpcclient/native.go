package grpcclient

import (
	"context"
	"errors"
	"log/slog"
	"strconv"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/holdfast-go/holdfast"
)

// DialOptions returns the dial options of a client with these policies: both
// interceptors, and grpc.WithDisableRetry, so that there is one retry loop and not
// two. The policies are those of Unary and Stream.
func (w Wrapper) DialOptions(policies ...holdfast.Policy) []grpc.DialOption {
	w.NoNativeRetry = true
	return []grpc.DialOption{
		grpc.WithChainUnaryInterceptor(w.Unary(policies...)), grpc.WithChainStreamInterceptor(w.Stream(policies...)),
		grpc.WithDisableRetry(),
	}
}

// DialOptions is Wrapper.DialOptions of the zero Wrapper.
func DialOptions(policies ...holdfast.Policy) []grpc.DialOption {
	return Wrapper{}.DialOptions(policies...)
}

// native reports whether gRPC itself repeats the method, as a retryPolicy in the
// service config tells it to. It is known once the first call has waited for the
// resolver, so it is asked after a failure and before a hedge.
func (r *rpc) native() bool {
	return !r.door.NoNativeRetry && r.cc != nil && r.cc.GetMethodConfig(r.of.Method).RetryPolicy != nil
}

// leftToNative has an attempt not repeated that gRPC repeats itself.
func (r *rpc) leftToNative(ctx context.Context, res holdfast.Result) holdfast.Result {
	if res.Err == nil || res.Class == holdfast.Ignored || !r.native() {
		return res
	}
	res.After = holdfast.Never
	if _, told := r.door.toldNative.LoadOrStore(r.of.Method, true); !told && r.door.OnNativeRetry != nil {
		r.door.OnNativeRetry(ctx, holdfast.Event{
			Kind: "native_retry", Level: slog.LevelWarn, Policy: "transport", Target: r.of.Target, Method: r.of.Method,
			Detail: "the service config has gRPC itself repeat it",
		})
	}
	return res
}

var errNative = errors.New("grpcclient: not hedged: the service config has gRPC itself repeat this method; add grpc.WithDisableRetry, or take the retryPolicy out")

// previousKey is what tells a server how often a call was sent before, and the caller how
// often it was before the attempt whose header it has (gRFC A6, "Exposed Retry Metadata").
const previousKey = "grpc-previous-rpc-attempts"

// previous puts it into the header of an attempt's answer, if there is one.
func previous(header *metadata.MD, attempt int) {
	if attempt > 1 && header != nil && *header != nil {
		header.Set(previousKey, strconv.Itoa(attempt-1))
	}
}

// outgoing has the attempt tell the server how many came before it, and what policies
// have put on it: each once, whatever the caller's own metadata say.
func outgoing(ctx context.Context, call *holdfast.Call) context.Context {
	var md metadata.MD
	set := func(key, value string) {
		if md == nil {
			if md, _ = metadata.FromOutgoingContext(ctx); md == nil { // a copy
				md = metadata.MD{}
			}
		}
		md.Set(key, value)
	}
	call.Headers(ctx, set)
	if call.Attempt > 1 {
		set(previousKey, strconv.Itoa(call.Attempt-1))
	}
	if md == nil {
		return ctx
	}
	return metadata.NewOutgoingContext(ctx, md)
}
