package grpcclient

import (
	"context"
	"errors"
	"hash/maphash"
	"log/slog"
	"sync"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/names"
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
	if r.door.OnNativeRetry == nil {
		return res
	}
	if method, first := r.door.toldNative.first(r.of.Method); first {
		r.door.OnNativeRetry(ctx, holdfast.Event{
			Kind: "native_retry", Level: slog.LevelWarn, Policy: "transport", Target: r.of.Target, Method: method,
			Detail: "the service config has gRPC itself repeat it",
		})
	}
	return res
}

// maxTold bounds the methods that are known to have been told of: whoever calls may make names up.
const maxTold = 1000

// A told knows of which methods somebody was told, by a hash of the name, which may be long.
type told struct {
	mu      sync.Mutex
	seed    maphash.Seed
	methods map[uint64]bool
	other   bool // told of all for which there was no room
}

// first reports whether nobody was told of the method yet, and names it. Those for which there is
// no room are one.
func (t *told) first(method string) (name string, first bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.methods == nil {
		t.seed, t.methods = maphash.MakeSeed(), map[uint64]bool{}
	}
	key := maphash.String(t.seed, method)
	switch {
	case t.methods[key]:
		return method, false
	case len(t.methods) < maxTold:
		t.methods[key] = true
		return method, true
	}
	first, t.other = !t.other, true
	return names.Other, first
}

var errNative = errors.New("grpcclient: not hedged: the service config has gRPC itself repeat this method; add grpc.WithDisableRetry, or take the retryPolicy out")
