package httpclient

import (
	"context"
	"net/http/httptrace"
	"sync/atomic"

	"github.com/holdfast-go/holdfast"
)

// replays returns a context under which what net/http sends again by itself is counted:
// it gets a connection for each time.
func replays(ctx context.Context, call *holdfast.Call) context.Context {
	var sent atomic.Int32 // a base that hedges gets several at once
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) {
		if sent.Add(1) > 1 {
			call.Replayed(ctx)
		}
	}})
}
