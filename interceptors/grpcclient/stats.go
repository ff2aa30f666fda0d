package grpcclient

import (
	"context"
	"log/slog"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/stats"

	"github.com/holdfast-go/holdfast"
)

// WireAttempts has f told of each attempt as gRPC made it, by a "wire_attempt"
// (holdfast.Event) at its end, for all calls of a client: also of those that no
// interceptor sees, since gRPC, or the interceptor in its place, repeats a call that a
// server has refused before it began (gRFC A6, "Transparent Retries"), and gRPC as a
// retryPolicy tells it to. Attempt is the number of the Call that it belongs to, 0 where
// there is none; Endpoint the address that it was sent to, empty where it was sent to
// none; Code as gRPC's specification writes it; Reason is "transparent" where it was
// repeated beneath all policies; and of a hedge Attrs say so.
//
// It has gRPC's transparent retries counted as replays of their Calls, too. f may be nil.
// It runs on gRPC's goroutines and must be safe for concurrent use.
func WireAttempts(f func(ctx context.Context, e holdfast.Event)) grpc.DialOption {
	return grpc.WithStatsHandler(&wireAttempts{f: f})
}

type wireAttempts struct {
	f func(context.Context, holdfast.Event)
}

// ofHedge are the Attrs of all hedges.
var ofHedge = []slog.Attr{slog.Bool("hedge", true)}

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
	e  holdfast.Event
}

// TagRPC is called for each attempt.
func (*wireAttempts) TagRPC(ctx context.Context, info *stats.RPCTagInfo) context.Context {
	w := &wire{e: holdfast.Event{Kind: "wire_attempt", Level: slog.LevelDebug, Policy: "transport", Method: info.FullMethodName}}
	if call := holdfast.CallFrom(ctx); call != nil {
		w.e.Target, w.e.Attempt = call.Target, call.Attempt
		if call.Hedge {
			w.e.Attrs = ofHedge
		}
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
	var ended holdfast.Event
	switch s := s.(type) {
	case *stats.Begin:
		if s.IsTransparentRetryAttempt || ctx.Value(replayKey{}) != nil {
			w.e.Reason = "transparent"
		}
	case *stats.OutHeader:
		if s.RemoteAddr != nil {
			w.e.Endpoint = s.RemoteAddr.String()
		}
	case *stats.End:
		w.e.Code = codeFor(s.Error)
		ended = w.e
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
	if ended.Kind != "" && h.f != nil {
		h.f(ctx, ended)
	}
}

// TagConn does nothing.
func (*wireAttempts) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }

// HandleConn does nothing.
func (*wireAttempts) HandleConn(context.Context, stats.ConnStats) {}
