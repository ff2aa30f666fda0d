package grpcclient

import (
	"context"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/stats"

	"github.com/holdfast-go/holdfast"
)

// A WireAttempt is one attempt as gRPC made it, with those that no interceptor
// sees: gRPC, or the interceptor in its place, repeats a call that a server has refused
// before it began (gRFC A6, "Transparent Retries"), and gRPC as a retryPolicy tells it to.
type WireAttempt struct {
	Method      string // "/users.v1.Users/Get"
	Attempt     int    // the number of the Call that it belongs to; 0: there is none
	Hedge       bool
	Transparent bool          // it was repeated beneath all policies
	Backend     string        // the address that it was sent to; empty: to none
	Code        holdfast.Code // as gRPC's specification writes it
}

// WireAttempts has f told of each attempt at its end, for all calls of a client, and
// has gRPC's transparent retries counted as Replays of their Calls. f may be nil. It
// runs on gRPC's goroutines and must be safe for concurrent use.
func WireAttempts(f func(ctx context.Context, a WireAttempt)) grpc.DialOption {
	return grpc.WithStatsHandler(&wireAttempts{f: f})
}

type wireAttempts struct {
	f func(context.Context, WireAttempt)
}

type wireKey struct{}

// A replayKey is in the context of what the interceptor sends once more in gRPC's place.
type replayKey struct{}

// replaying notes that an attempt is sent once more, and returns the context for that.
func replaying(ctx context.Context, call *holdfast.Call) context.Context {
	call.Replayed(ctx)
	return context.WithValue(ctx, replayKey{}, true)
}

type wire struct {
	mu sync.Mutex
	WireAttempt
}

// TagRPC is called for each attempt.
func (*wireAttempts) TagRPC(ctx context.Context, info *stats.RPCTagInfo) context.Context {
	w := &wire{WireAttempt: WireAttempt{Method: info.FullMethodName}}
	if call := holdfast.CallFrom(ctx); call != nil {
		w.Attempt, w.Hedge = call.Attempt, call.Hedge
	}
	return context.WithValue(ctx, wireKey{}, w)
}

// HandleRPC notes what there is to be told, and tells it at the end.
func (h *wireAttempts) HandleRPC(ctx context.Context, s stats.RPCStats) {
	w, ok := ctx.Value(wireKey{}).(*wire)
	if !ok {
		return
	}
	w.mu.Lock()
	var ended *WireAttempt
	switch s := s.(type) {
	case *stats.Begin:
		w.Transparent = s.IsTransparentRetryAttempt || ctx.Value(replayKey{}) != nil
	case *stats.OutHeader:
		if s.RemoteAddr != nil {
			w.Backend = s.RemoteAddr.String()
		}
	case *stats.End:
		w.Code = codeFor(s.Error)
		a := w.WireAttempt
		ended = &a
	}
	w.mu.Unlock()
	switch s := s.(type) {
	case *stats.Begin:
		call := holdfast.CallFrom(ctx)
		if s.IsTransparentRetryAttempt && call != nil {
			call.Replayed(ctx)
		}
		witnessOf(call).saw(call, unheard)
	case *stats.InHeader, *stats.InTrailer:
		call := holdfast.CallFrom(ctx)
		witnessOf(call).saw(call, headers)
	}
	if ended != nil && h.f != nil {
		h.f(ctx, *ended)
	}
}

// TagConn does nothing.
func (*wireAttempts) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }

// HandleConn does nothing.
func (*wireAttempts) HandleConn(context.Context, stats.ConnStats) {}
