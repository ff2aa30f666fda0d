package grpcclient

import (
	"context"
	"errors"
	"log/slog"

	"github.com/holdfast-go/holdfast"
)

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
